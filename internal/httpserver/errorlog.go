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
	// sayEvery is how often a connection that failed is worth a warning. Whoever
	// reaches the port can make connections fail, as many as they like.
	sayEvery = time.Minute
	// maxLine is how much of a line is logged: some of it is what strangers sent.
	maxLine = 300
	// maxStack is how much of a stack is logged.
	maxStack = 8 << 10
)

// panicked is how net/http begins to tell of a handler that panicked. The panic's
// value follows, and may quote what it choked on; the stack is on the lines after.
const panicked = "http: panic serving "

// errorLog makes lines of the process's log of what net/http would print.
type errorLog struct {
	logger log.Logger

	mu       sync.Mutex
	sometime rate.Sometimes
	unsaid   int
}

func newErrorLog(logger log.Logger) *stdlog.Logger {
	if logger == nil {
		return stdlog.New(io.Discard, "", 0)
	}
	return stdlog.New(&errorLog{logger: logger, sometime: rate.Sometimes{Interval: sayEvery}}, "", 0)
}

// Write implements io.Writer for one message.
func (e *errorLog) Write(message []byte) (int, error) {
	first, rest, _ := bytes.Cut(message, []byte("\n"))
	if bytes.HasPrefix(first, []byte(panicked)) {
		level.Error(e.logger).Log("msg", "a handler panicked", "bug", "true", "stack", stack(rest))
		return len(message), nil
	}
	text := strings.ToValidUTF8(string(first[:min(len(first), maxLine)]), "")
	level.Debug(e.logger).Log("msg", "connection failed", "err", text)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unsaid++
	e.sometime.Do(func() {
		level.Warn(e.logger).Log("msg", "connections failed; each one is logged at level debug", "last", text, "count", e.unsaid)
		e.unsaid = 0
	})
	return len(message), nil
}

// stack returns the stack in the lines after a panic's value, which may be several
// itself.
func stack(lines []byte) string {
	if i := bytes.Index(lines, []byte("goroutine ")); i >= 0 {
		lines = lines[i:]
	} else {
		lines = nil
	}
	return string(lines[:min(len(lines), maxStack)])
}
