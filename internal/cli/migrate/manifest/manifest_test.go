package manifest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// read returns the first document of a stream.
func read(t *testing.T, text string) *Document {
	t.Helper()
	f := ReadFile("f", []byte(text))
	require.NotEmpty(t, f.Documents)
	require.NoError(t, f.Documents[0].Err)
	return f.Documents[0]
}

func TestStreamsAreReadAndWrittenUnchanged(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		// want is how many documents there are, and broken which of them are not understood.
		want   int
		broken []int
	}{
		"nothing":                     {"", 0, nil},
		"one":                         {"a: 1", 1, nil},
		"a separator in front":        {"---\na: 1\n", 1, nil},
		"comments between":            {"a: 1\n---\n# nothing\n---\nb: 2\n", 3, nil},
		"content at the separator":    {"--- {a: b}\n--- # two\nc: d\n", 2, nil},
		"ends of documents":           {"a: 1\n...\nb: 2\n...\n", 2, nil},
		"directives":                  {"%YAML 1.2\n---\na: 1\n", 2, nil},
		"Windows":                     {"a: 1\r\n---\r\nb: 2\r\n", 2, nil},
		"a byte order mark":           {"\ufeffa: 1\n---\nb: 2\n", 2, nil},
		"a separator in a text":       {"a: |\n  ---\n  b\n", 1, nil},
		"a template":                  {"a: {{ .a }\n---\nb: 2\n", 2, []int{0}},
		"UTF-16":                      {"\xff\xfea\x00", 1, []int{0}},
		"a key that stands twice":     {"a: 1\nb:\n  c: 1\n  c: 2\n", 1, []int{0}},
		"an anchor that is not there": {"a: *b\n", 1, []int{0}},
		"JSON without separators":     {"{\"a\": 1}\n\n{\"b\": \"---\"}[2] \n", 3, nil},
		"JSON with a byte order mark": {"\ufeff{\"a\": 1}{\"b\": 2}", 2, nil},
		"JSON and YAML":               {"{\"a\": 1}\n{\"b\": 2}\n---\nc: 3\n", 3, nil},
		"JSON of which one is broken": {"{\"a\": 1}\n{\"b\": 2, \"b\": 3}\n{\"c\": 3}\n", 3, []int{1}},
		"JSON that ends too early":    {"{\"a\": 1}\n{\"b\": ", 1, []int{0}},
		"flow style, no JSON":         {"{a: 1}\n{b: 2}\n", 1, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			f := ReadFile("f", []byte(tt.text))
			assert.Equal(t, tt.text, string(f.Bytes()))
			assert.False(t, f.Changed())
			var broken []int
			for i, d := range f.Documents {
				if d.Err != nil {
					broken = append(broken, i)
				}
			}
			assert.Len(t, f.Documents, tt.want)
			assert.Equal(t, tt.broken, broken)
		})
	}
}

func TestLinesAreThoseOfTheFile(t *testing.T) {
	f := ReadFile("f", []byte("# first\na: 1\n---\n\nb:\n  c: 2\n"))
	require.Len(t, f.Documents, 2)
	assert.Equal(t, 3, f.Documents[1].Line())
	assert.Equal(t, 6, f.Documents[1].LineOf(At(f.Documents[1].Root, "b", "c")))
	assert.Equal(t, []string{"b", "c"}, f.Documents[1].Path(At(f.Documents[1].Root, "b", "c")))
}

func TestChangesAreMadeInTheText(t *testing.T) {
	set := func(path ...string) func(*Document) {
		return func(d *Document) { d.Set(At(d.Root, path[:len(path)-2]...), path[len(path)-2], path[len(path)-1]) }
	}
	remove := func(parent, name string, keys ...string) func(*Document) {
		return func(d *Document) {
			if parent == "" {
				d.Remove(d.Root, name, keys...)
				return
			}
			d.Remove(At(d.Root, parent), name, keys...)
		}
	}
	for name, tt := range map[string]struct {
		text   string
		change func(*Document)
		want   string
	}{
		"a new key":                    {"a:\n    b: 1 # one\n\nc: 2\n", set("a", "k", "v"), "a:\n    k: v\n    b: 1 # one\n\nc: 2\n"},
		"a new key of an item":         {"- b: 1\n  c: 2\n", func(d *Document) { d.Set(d.Root.Content[0], "k", "v") }, "- k: v\n  b: 1\n  c: 2\n"},
		"a new key in flow style":      {"a: {b: 1}\n", set("a", "k", "v"), "a: {k: v, b: 1}\n"},
		"a new key in nothing":         {"a: {}\n", set("a", "k", "v"), "a: {k: v}\n"},
		"a new key in JSON":            {"{\n\t\"a\": 1\n}", set("k", "v"), "{\n\t\"k\": \"v\",\n\t\"a\": 1\n}"},
		"two new keys":                 {"a:\n  b: 1\n", func(d *Document) { set("a", "m", "1")(d); set("a", "k", "v")(d) }, "a:\n  k: v\n  m: \"1\"\n  b: 1\n"},
		"a value":                      {"a: 'x'  # why\nb: 2", set("a", "w"), "a: w  # why\nb: 2"},
		"a quoted value":               {"a: \"x\"\r\nb: 2\r\n", set("a", "w"), "a: \"w\"\r\nb: 2\r\n"},
		"a value that needs quotes":    {"a: x\n", set("a", "yes"), "a: \"yes\"\n"},
		"a value of several lines":     {"b:   1\na: |\n  x\n  w\n", set("a", "z"), "b: 1\na: z\n"}, // encoded anew
		"a key that is removed":        {"a:\n  b: 1\n  c:\n  - x\n  # of d\n  d: 2\n", remove("", "a", "c"), "a:\n  b: 1\n  # of d\n  d: 2\n"},
		"all keys that are removed":    {"x:   1\na:\n  b: |\n    1\n\n  c: 2\n\nd:   3\n", remove("", "a", "b", "c"), "x:   1\n\nd:   3\n"},
		"a key removed in flow style":  {"a: {b: 1, c: 2}\n", remove("", "a", "b"), "a: {c: 2}\n"},
		"the last key in flow style":   {"a:   {b: 1, c: 2}\n", remove("", "a", "c"), "a: {b: 1}\n"}, // encoded anew
		"keys that are not there":      {"a:   {b: 1}\n", remove("", "a", "x"), "a:   {b: 1}\n"},
		"a mapping that is not there":  {"a:\n  b: 1\n", func(d *Document) { d.SetIn(At(d.Root, "a"), "m", "k", "v") }, "a:\n  m:\n    k: v\n  b: 1\n"},
		"a mapping without entries":    {"a:\n", func(d *Document) { d.SetIn(d.Root, "a", "k", "v") }, "a:\n  k: v\n"},
		"items":                        {"a:\n- k: x\n  v: 1\n# w\n- k: w\n", removeItem("x"), "a:\n# w\n- k: w\n"},
		"all items":                    {"a:\n  - k: x\n    v: 1\nb:   2\n", removeItem("x"), "b:   2\n"},
		"items that are put in front":  {"a:\n  - k: x\n", prepend, "a:\n  - k: w\n    v: z\n  - k: x\n"},
		"items in front in flow style": {"a: [{k: x}]\n", prepend, "a: [{k: w, v: z}, {k: x}]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d := read(t, tt.text)
			tt.change(d)
			require.NoError(t, d.Render())
			assert.Equal(t, tt.want, string(d.File.Bytes()))
		})
	}
}

func removeItem(name string) func(*Document) {
	return func(d *Document) {
		d.RemoveItems(d.Root, "a", func(n *yaml.Node) bool { return String(n, "k") == name })
	}
}

func prepend(d *Document) { d.Prepend(At(d.Root, "a"), [2]string{"k", "w"}, [2]string{"v", "z"}) }

func TestAChangeThatCannotBeWrittenLeavesTheDocumentAsItIs(t *testing.T) {
	text := "a: &a x\nb: *a\n"
	d := read(t, text)
	d.Set(d.Root, "a", "w") // b would lose its anchor
	require.ErrorContains(t, d.Render(), "change it by hand")
	assert.Equal(t, text, string(d.File.Bytes()))
}

func TestWhatIsUsedElsewhereIsKnown(t *testing.T) {
	d := read(t, "a: &x {b: {c: 1}}\nd: *x\ne: {f: 1}\ng:\n  <<: *x\n  h: 2\n")
	assert.True(t, d.Shared(At(d.Root, "a", "b")))
	assert.True(t, d.Shared(At(d.Root, "d")))
	assert.False(t, d.Shared(At(d.Root, "e")))
	assert.Equal(t, "1", String(d.Root, "g", "b", "c"), "merged")
	assert.Equal(t, map[string]string{"h": "2"}, Strings(At(d.Root, "g")))
}
