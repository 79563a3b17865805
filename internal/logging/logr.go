package logging

import (
	"fmt"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// maxVerbosity is the most that client-go may say, and only when debugging:
// from 6 on it logs requests, from 8 on their bodies, and those hold Secrets.
const maxVerbosity = 4

// sink lets klog, and with it client-go, write to a go-kit logger.
type sink struct {
	logger  log.Logger
	highest int
}

// Logr returns a logr.Logger that writes to logger: V(0) as info, more as
// debug, and only with debug set.
func Logr(logger log.Logger, debug bool) logr.Logger {
	s := sink{logger: logger}
	if debug {
		s.highest = maxVerbosity
	}
	return logr.New(s)
}

// RedirectKlog makes client-go's logs, which all go through klog, lines of
// logger's.
func RedirectKlog(logger log.Logger, debug bool) {
	klog.SetLoggerWithOptions(Logr(logger, debug).WithName("client-go"), klog.ContextualLogger(true))
}

// Init implements logr.LogSink.
func (sink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (s sink) Enabled(v int) bool { return v <= s.highest }

// Info implements logr.LogSink.
func (s sink) Info(v int, msg string, kv ...any) {
	if !s.Enabled(v) {
		return // klog's old-style functions do not ask first
	}
	l := level.Info(s.logger)
	if v > 0 {
		l = level.Debug(s.logger)
	}
	l.Log(append([]any{"msg", msg}, pairs(kv)...)...)
}

// Error implements logr.LogSink.
func (s sink) Error(err error, msg string, kv ...any) {
	level.Error(s.logger).Log(append([]any{"msg", msg, "err", err}, pairs(kv)...)...)
}

// WithValues implements logr.LogSink.
func (s sink) WithValues(kv ...any) logr.LogSink {
	s.logger = log.With(s.logger, pairs(kv)...)
	return s
}

// WithName implements logr.LogSink.
func (s sink) WithName(name string) logr.LogSink {
	s.logger = log.With(s.logger, "component", name)
	return s
}

// pairs returns kv with keys that are strings and values that print: logfmt
// refuses whole lines for the sake of one value it does not know.
func pairs(kv []any) []any {
	out := make([]any, 0, len(kv)+1)
	for i := 0; i < len(kv); i += 2 {
		var value any = "(missing)"
		if i+1 < len(kv) {
			value = printable(kv[i+1])
		}
		out = append(out, fmt.Sprint(kv[i]), value)
	}
	return out
}

func printable(v any) any {
	switch v := v.(type) {
	case nil, string, error, bool, int, int32, int64, uint, uint32, uint64, float64:
		return v
	case fmt.Stringer:
		return fmt.Sprint(v) // survives a String that panics
	default:
		return fmt.Sprintf("%+v", v)
	}
}
