package httpserver

import (
	"bytes"
	"io"
	stdlog "log"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"golang.org/x/time/rate"
)

const (
	// warnInterval is how often failed connections are logged as a warning. Anybody who
	// reaches the port can cause any number of them.
	warnInterval = time.Minute
	// maxLine limits the length of a line: clients influence it.
	maxLine = 300
	// maxStack limits the length of a stack trace.
	maxStack = 8 << 10
)

// panicPrefix is how net/http's message about a panic begins. The panic's value
// follows, and may quote the data that caused it; the stack trace is on the next lines.
const panicPrefix = "http: panic serving "

// errorLog writes what net/http logs to the logger of the process.
type errorLog struct {
	logger log.Logger

	mu     sync.Mutex
	warn   rate.Sometimes
	failed int // connections since the last warning
}

func newErrorLog(logger log.Logger) *stdlog.Logger {
	if logger == nil {
		return stdlog.New(io.Discard, "", 0)
	}
	return stdlog.New(&errorLog{logger: logger, warn: rate.Sometimes{Interval: warnInterval}}, "", 0)
}

// Write implements io.Writer for one message.
func (e *errorLog) Write(message []byte) (int, error) {
	first, rest, _ := bytes.Cut(message, []byte("\n"))
	if bytes.HasPrefix(first, []byte(panicPrefix)) {
		level.Error(e.logger).Log("msg", "a handler panicked", "bug", "true", "stack", stack(rest))
		return len(message), nil
	}
	text := strings.ToValidUTF8(string(first[:min(len(first), maxLine)]), "")
	level.Debug(e.logger).Log("msg", "connection failed", "err", text)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed++
	e.warn.Do(func() {
		level.Warn(e.logger).Log("msg", "connections failed; each one is logged at level debug", "last", text, "count", e.failed)
		e.failed = 0
	})
	return len(message), nil
}

// stack returns the stack trace after a panic's value, which may have several lines.
func stack(lines []byte) string {
	if i := bytes.Index(lines, []byte("goroutine ")); i >= 0 {
		lines = lines[i:]
	} else {
		lines = nil
	}
	return string(lines[:min(len(lines), maxStack)])
}
