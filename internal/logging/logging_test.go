package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"
)

func TestLinesHaveCommonKeys(t *testing.T) {
	for _, format := range formats {
		var b bytes.Buffer
		logger, err := New(&b, format, false)
		require.NoError(t, err)
		level.Info(logger).Log("msg", "hello", "object", "ns/n")
		for _, part := range []string{"ts", "caller", "logging_test.go", "level", "info", "hello", "ns/n"} {
			assert.Contains(t, b.String(), part, format)
		}
	}
}

func TestDebugIsOffByDefault(t *testing.T) {
	var b bytes.Buffer
	logger, err := New(&b, "logfmt", false)
	require.NoError(t, err)
	level.Debug(logger).Log("msg", "quiet")
	assert.Empty(t, b.String())
	logger, err = New(&b, "logfmt", true)
	require.NoError(t, err)
	level.Debug(logger).Log("msg", "loud")
	assert.Contains(t, b.String(), "loud")
}

func TestUnknownFormatIsRejected(t *testing.T) {
	_, err := New(&bytes.Buffer{}, "xml", false)
	assert.EqualError(t, err, `log format "xml": give logfmt or json`)
}

func TestControlCharactersAreEscaped(t *testing.T) {
	var b bytes.Buffer
	logger, err := New(&b, "logfmt", false)
	require.NoError(t, err)
	level.Info(logger).Log("msg", "bad value", "value", "a\nlevel=error msg=\"forged\"\x00\x1b[31m")
	assert.Equal(t, 1, strings.Count(b.String(), "\n"))
	assert.NotContains(t, b.String(), "\x1b")
	assert.Contains(t, b.String(), `a\nlevel=error`)

	b.Reset()
	logger, err = New(&b, "json", false)
	require.NoError(t, err)
	level.Info(logger).Log("msg", "bad value", "value", "a\n\x00")
	assert.True(t, json.Valid(b.Bytes()))
}

func TestRedirectKlogWritesToLogger(t *testing.T) {
	var b bytes.Buffer
	RedirectKlog(log.NewLogfmtLogger(&b), false)
	t.Cleanup(klog.ClearLogger)
	klog.InfoS("hello", "object", klog.KRef("ns", "n"))
	klog.ErrorS(errors.New("boom"), "went wrong", []any{"odd"}...)
	klog.Warningf("old style %d", 3)
	assert.Contains(t, b.String(), `level=info component=client-go msg=hello object=ns/n`)
	assert.Contains(t, b.String(), `level=error component=client-go msg="went wrong" err=boom odd=`)
	assert.Contains(t, b.String(), `old style 3`)
}

func TestRequestBodiesAreNeverLogged(t *testing.T) {
	var b bytes.Buffer
	logger := Logr(log.NewLogfmtLogger(&b), true)
	for v := range 11 {
		logger.V(v).Info("line", "v", v)
	}
	assert.Contains(t, b.String(), "v=4")
	assert.NotContains(t, b.String(), "v=5")
	assert.False(t, logger.V(6).Enabled(), "client-go calls this before it formats a request")
	assert.False(t, Logr(log.NewNopLogger(), false).V(1).Enabled())
}

var formats = []string{"logfmt", "json"}

// debugging returns a logger at level debug and its output.
func debugging(t *testing.T, format string) (log.Logger, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	logger, err := New(&out, format, true)
	require.NoError(t, err)
	return logger, &out
}

type panics struct{}

func (panics) String() string  { panic("no") }
func (panics) GetName() string { panic("no") }

type panicsAsObject struct{ panics }

func (panicsAsObject) GetNamespace() string { return "" }

type panicsAsError struct{}

func (panicsAsError) Error() string { panic("no") }

func TestAnyKeyAndValueIsLogged(t *testing.T) {
	var none *panicsAsError
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			logger, out := debugging(t, format)
			pairs := map[string][]any{
				"an empty key":               {"", 1},
				"a key of separators only":   {"= \n\"", 1},
				"a key that is not a string": {7, 1},
				"a key that panics":          {panics{}, 1},
				"a nil key":                  {nil, 1},
				"a key of invalid UTF-8":     {"\xff", 1},
				"no value":                   {"odd"},
				"a nil value":                {"v", nil},
				"a String that panics":       {"v", panics{}},
				"an Error that panics":       {"v", panicsAsError{}},
				"a GetName that panics":      {"v", panicsAsObject{}},
				"a typed nil error":          {"v", none},
				"a channel":                  {"v", make(chan int)},
				"a function":                 {"v", func() {}},
				"a complex number":           {"v", 1i},
				"a map":                      {"v", map[string]int{"a": 1}},
				"invalid UTF-8":              {"v", "\xff\xfe"},
			}
			for name, kv := range pairs {
				t.Run(name, func(t *testing.T) {
					out.Reset()
					assert.NotPanics(t, func() { level.Info(logger).Log(append([]any{"msg", "plain"}, kv...)...) })
					assert.NotPanics(t, func() { Logr(logger, true).WithValues(kv...).Info("bridged", kv...) })
					assert.NotPanics(t, func() { Logr(logger, true).Error(panicsAsError{}, "failing", kv...) })
					assert.Equal(t, 3, strings.Count(out.String(), "\n"))
					for _, msg := range []string{"plain", "bridged", "failing"} {
						assert.Contains(t, out.String(), msg)
					}
				})
			}
		})
	}
}

func TestMissingValueIsMarked(t *testing.T) {
	var b bytes.Buffer
	Logr(log.NewLogfmtLogger(&b), false).Info("hello", []any{"a", 1, "odd"}...)
	assert.Equal(t, "level=info msg=hello a=1 odd=(missing)\n", b.String())
}

func TestObjectsAreLoggedByName(t *testing.T) {
	secret := corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "credentials"},
		Data:       map[string][]byte{"key": []byte("hunter2")},
		StringData: map[string]string{"key": "hunter2"},
	}
	values := map[string]struct {
		value any
		want  string
	}{
		"a pointer to an object":   {&secret, "tenant/credentials"},
		"an object":                {secret, "v1.Secret"},
		"a nil object":             {(*corev1.Secret)(nil), ""},
		"a list":                   {&corev1.SecretList{Items: []corev1.Secret{secret}}, "*v1.SecretList"},
		"a watch event":            {watch.Event{Type: watch.Added, Object: &secret}, "watch.Event"},
		"objects in a slice":       {[]corev1.Secret{secret}, "[]v1.Secret"},
		"objects in a map":         {map[string]any{"a": secret}, "map[string]interface {}"},
		"the data of a Secret":     {secret.Data, "map[string][]uint8"},
		"the body of a request":    {[]byte("hunter2"), "[]uint8"},
		"a reference to an object": {klog.KObj(&secret), "tenant/credentials"},
		"references to objects":    {klog.KObjSlice([]*corev1.Secret{&secret}), "[tenant/credentials]"},
		"strings":                  {[]string{"a", "b"}, "[a b]"},
	}
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			logger, out := debugging(t, format)
			for name, tc := range values {
				t.Run(name, func(t *testing.T) {
					out.Reset()
					level.Info(logger).Log("msg", "plain", "v", tc.value)
					Logr(logger, true).Error(nil, "bridged", "v", tc.value)
					assert.Regexp(t, `v"?[=:]"?`+regexp.QuoteMeta(tc.want)+`"?}?\n(?s:.*)v"?[=:]"?`+regexp.QuoteMeta(tc.want)+`"?}?\n`, out.String())
					assert.NotContains(t, out.String(), "hunter2")
					assert.NotContains(t, out.String(), "104 117 110", "the data as numbers")
				})
			}
		})
	}
}

func TestCallerIsSourceOfLine(t *testing.T) {
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			logger, out := debugging(t, format)
			RedirectKlog(logger, true)
			t.Cleanup(klog.ClearLogger)
			lines := map[string]func(){
				"the logger":                func() { level.Info(logger).Log("msg", "x") },
				"a logger with more values": func() { log.With(level.Warn(log.With(logger, "a", 1)), "b", 2).Log("msg", "x") },
				"logr":                      func() { Logr(logger, true).WithName("a").V(2).Info("x") },
				"klog":                      func() { klog.InfoS("x") },
				"klog, unstructured":        func() { klog.Errorf("%s", "x") },
				"klog from a context":       func() { klog.FromContext(t.Context()).Error(nil, "x") },
				"HandleErrorWithContext":    func() { utilruntime.HandleErrorWithContext(t.Context(), nil, "x") },
				"HandleError":               func() { utilruntime.HandleError(errors.New("x")) },
			}
			for name, line := range lines {
				t.Run(name, func(t *testing.T) {
					out.Reset()
					line()
					assert.Regexp(t, `caller"?[=:]"?logging_test\.go:\d+`, out.String())
				})
			}
		})
	}
}

func TestNestedNamesAreJoined(t *testing.T) {
	var b bytes.Buffer
	RedirectKlog(log.NewLogfmtLogger(&b), true)
	t.Cleanup(klog.ClearLogger)
	klog.LoggerWithName(klog.Background(), "reflector").Error(nil, "no error")
	assert.Equal(t, "level=error component=client-go/reflector msg=\"no error\"\n", b.String())
}

func TestDroppedLinesAllocateLittle(t *testing.T) {
	logger, err := New(&bytes.Buffer{}, "logfmt", false)
	require.NoError(t, err)
	debug, info := level.Debug(logger), level.Info(logger)
	dropped := testing.AllocsPerRun(100, func() { debug.Log("msg", "quiet") })
	written := testing.AllocsPerRun(100, func() { info.Log("msg", "loud") })
	assert.Less(t, 3*dropped, written)
}

func TestConcurrentLinesDoNotInterleave(t *testing.T) {
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			logger, out := debugging(t, format)
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					for range 50 {
						level.Info(logger).Log("msg", "hello", "object", "ns/n")
					}
				})
			}
			group.Wait()
			for line := range strings.Lines(out.String()) {
				assert.Equal(t, 1, strings.Count(line, "hello"), line)
			}
			assert.Equal(t, 400, strings.Count(out.String(), "\n"))
		})
	}
}

func FuzzValuesStayOnOneLine(f *testing.F) {
	f.Add("key", "a\nlevel=error", "msg")
	f.Add("= ", "\u009b31m\u2028\u202e\x7f", "\x1b[2J")
	f.Fuzz(func(t *testing.T, key, value, msg string) {
		for _, format := range formats {
			var b bytes.Buffer
			logger, err := New(&b, format, false)
			require.NoError(t, err)
			level.Info(logger).Log([]any{"msg", msg, key, value}...)
			require.True(t, strings.HasSuffix(b.String(), "\n"), "the line is lost")
			for _, r := range strings.TrimSuffix(b.String(), "\n") {
				assert.True(t, unicode.IsPrint(r) || r == utf8.RuneError, "%U in %q", r, b.String())
			}
			if format == "json" {
				assert.True(t, json.Valid(b.Bytes()), b.String())
			}
		}
	})
}
