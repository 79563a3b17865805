package logging

import (
	"bytes"
	"errors"
	"testing"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
)

func TestHigherVerbosityIsLevelDebug(t *testing.T) {
	var b bytes.Buffer
	logger := Logr(log.NewLogfmtLogger(&b), true)
	logger.Info("zero")
	logger.V(1).Info("one")
	assert.Equal(t, "level=info msg=zero\nlevel=debug msg=one\n", b.String())
}

func TestSinkDropsWhatIsNotEnabledWhoeverAsks(t *testing.T) {
	var b bytes.Buffer
	sink := Logr(log.NewLogfmtLogger(&b), true).GetSink()
	sink.Info(maxVerbosity+1, "the body of a request")
	assert.Empty(t, b.String(), "klog's unstructured functions do not ask whether it is enabled")
	sink.Info(maxVerbosity, "a line")
	assert.NotEmpty(t, b.String())
}

func TestBridgedLinesArePrintableWithAnyLogger(t *testing.T) {
	odd := []any{"odd"}
	var b bytes.Buffer
	logger := Logr(log.NewLogfmtLogger(&b), false)
	logger.Error(errors.New("left\u202eright"), "x", odd...)
	assert.Equal(t, "level=error msg=x err=left\\u202eright odd=(missing)\n", b.String())
	b.Reset()
	logger.WithValues(odd...).Info("x")
	assert.Equal(t, "level=info odd=(missing) msg=x\n", b.String())
}
