package manifest

import (
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// text is the text of a document and where its lines begin. The results of its methods
// are candidates only: whoever renders the document compares what it means afterwards.
type text struct {
	body  string
	lines []int
	// ascii reports that every character is one byte.
	ascii bool
	eol   string
	quote func(string) string
}

func (d *Document) text() *text {
	if d.read == nil {
		d.read = d.newText()
	}
	return d.read
}

func (d *Document) newText() *text {
	t := &text{body: d.body, lines: []int{0}, ascii: true, eol: "\n", quote: d.quote}
	for i := range len(d.body) {
		if d.body[i] == '\n' && i+1 < len(d.body) {
			t.lines = append(t.lines, i+1)
		}
		t.ascii = t.ascii && d.body[i] < utf8.RuneSelf
	}
	if strings.Contains(d.body, "\r\n") {
		t.eol = "\r\n"
	}
	return t
}

// offset returns the byte at which a node begins, -1 if it is not in the text.
func (t *text) offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(t.lines) || n.Column < 1 {
		return -1
	}
	at := t.lines[n.Line-1]
	if t.ascii {
		if at += n.Column - 1; at > len(t.body) {
			return -1
		}
		return at
	}
	for range n.Column - 1 {
		if at >= len(t.body) {
			return -1
		}
		_, size := utf8.DecodeRuneInString(t.body[at:])
		at += size
	}
	return at
}

// before returns what stands on the line in front of a byte.
func (t *text) before(at int) string {
	return t.body[strings.LastIndexByte(t.body[:at], '\n')+1 : at]
}

// lineEnd returns the end of the line of a byte, line break included.
func (t *text) lineEnd(at int) int {
	if i := strings.IndexByte(t.body[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(t.body)
}

// blockEnd returns where the block ends that begins on the line of a byte and whose
// contents are indented deeper than a number of spaces. Comments and blank lines after
// it belong to what follows. With items, sequences at that indentation belong to it.
func (t *text) blockEnd(at, indent int, items bool) int {
	end := t.lineEnd(at)
	for next := end; next < len(t.body); next = t.lineEnd(next) {
		line := t.body[next:t.lineEnd(next)]
		content := strings.TrimLeft(line, " ")
		depth := len(line) - len(content)
		switch {
		case strings.TrimSpace(content) == "":
			continue
		case depth > indent, items && depth == indent && isDash(content):
			end = t.lineEnd(next)
		case strings.HasPrefix(content, "#"):
			continue
		default:
			return end
		}
	}
	return end
}

// isDash reports whether a line begins an item of a sequence.
func isDash(content string) bool {
	return len(content) > 1 && content[0] == '-' && strings.ContainsRune(" \t\r\n", rune(content[1]))
}

func isBlank(s string) bool { return strings.Trim(s, " ") == "" }

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }
