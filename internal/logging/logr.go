package logging

import (
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// maxVerbosity limits client-go's verbosity when debugging is on. From 6 on it logs requests
// and from 8 on bodies, which contain Secrets.
const maxVerbosity = 4

// sink is a logr.LogSink that writes to a go-kit logger.
type sink struct {
	logger    log.Logger
	component string
	highest   int
}

// Logr returns a logr.Logger that writes to logger. V(0) is level info. Higher verbosity is
// level debug, and dropped unless debug is set.
func Logr(logger log.Logger, debug bool) logr.Logger {
	s := sink{logger: logger}
	if debug {
		s.highest = maxVerbosity
	}
	return logr.New(s)
}

// RedirectKlog redirects klog, and with it all logs of client-go, to logger.
func RedirectKlog(logger log.Logger, debug bool) {
	klog.SetLoggerWithOptions(Logr(logger, debug).WithName("client-go"), klog.ContextualLogger(true))
}

// Init implements logr.LogSink. It ignores the call depth: caller goes by function names.
func (sink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (s sink) Enabled(v int) bool { return v <= s.highest }

// Info implements logr.LogSink.
func (s sink) Info(v int, msg string, kv ...any) {
	if !s.Enabled(v) {
		return // klog's unstructured functions do not call Enabled
	}
	l := level.Info(s.logger)
	if v > 0 {
		l = level.Debug(s.logger)
	}
	l.Log(append(s.line(msg), pairs(kv)...)...)
}

// Error implements logr.LogSink.
func (s sink) Error(err error, msg string, kv ...any) {
	line := s.line(msg)
	if err != nil { // klog permits a nil error
		line = append(line, "err", printable(err))
	}
	level.Error(s.logger).Log(append(line, pairs(kv)...)...)
}

// line returns the first key-value pairs of a line.
func (s sink) line(msg string) []any {
	var line []any
	if s.component != "" {
		line = append(line, "component", s.component)
	}
	return append(line, "msg", msg)
}

// WithValues implements logr.LogSink.
func (s sink) WithValues(kv ...any) logr.LogSink {
	s.logger = log.With(s.logger, pairs(kv)...)
	return s
}

// WithName implements logr.LogSink. Nested names are joined, because a JSON object must not
// repeat a key.
func (s sink) WithName(name string) logr.LogSink {
	if s.component != "" {
		name = s.component + "/" + name
	}
	s.component = name
	return s
}
