package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"
)

func TestLinesCarryTheSchema(t *testing.T) {
	for _, format := range []string{"logfmt", "json"} {
		var b bytes.Buffer
		logger, err := New(&b, format, false)
		require.NoError(t, err)
		level.Info(logger).Log("msg", "hello", "object", "ns/n")
		for _, part := range []string{"ts", "caller", "logging_test.go", "level", "info", "hello", "ns/n"} {
			assert.Contains(t, b.String(), part, format)
		}
	}
}

func TestDebugIsOffUnlessAskedFor(t *testing.T) {
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

func TestUnknownFormatIsNamed(t *testing.T) {
	_, err := New(&bytes.Buffer{}, "xml", false)
	assert.EqualError(t, err, `log format "xml": give logfmt or json`)
}

func TestValuesOfTenantsStayOnOneLine(t *testing.T) {
	var b bytes.Buffer
	logger, err := New(&b, "logfmt", false)
	require.NoError(t, err)
	level.Info(logger).Log("msg", "bad value", "value", "a\nlevel=error msg=\"forged\"\x00\x1b[31m")
	assert.Equal(t, 1, strings.Count(b.String(), "\n"))
	assert.NotContains(t, b.String(), "\x1b")

	b.Reset()
	logger, err = New(&b, "json", false)
	require.NoError(t, err)
	level.Info(logger).Log("msg", "bad value", "value", "a\n\x00")
	assert.True(t, json.Valid(b.Bytes()))
}

func TestKlogWritesToTheLogger(t *testing.T) {
	var b bytes.Buffer
	RedirectKlog(log.NewLogfmtLogger(&b), false)
	t.Cleanup(klog.ClearLogger)
	klog.InfoS("hello", "object", klog.KRef("ns", "n"))
	klog.ErrorS(errors.New("boom"), "went wrong", "odd")
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
	assert.False(t, logger.V(6).Enabled(), "client-go asks this before it renders a request")
	assert.False(t, Logr(log.NewNopLogger(), false).V(1).Enabled())
}

type panics struct{}

func (panics) String() string { panic("no") }

func TestAnyPairIsALine(t *testing.T) {
	var b bytes.Buffer
	logger := Logr(log.NewLogfmtLogger(&b), true)
	assert.NotPanics(t, func() { logger.Info("hello", 7, panics{}, "map", map[string]int{"a": 1}, "nil", nil, "odd") })
	assert.Contains(t, b.String(), "msg=hello")
	assert.Contains(t, b.String(), "map=map[a:1]")
	assert.Contains(t, b.String(), "odd=(missing)")
}
