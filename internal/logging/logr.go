package logging

import (
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
	logger    log.Logger
	component string
	highest   int
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

// Init implements logr.LogSink. What it is told of the stack is not needed, see
// caller.
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
	l.Log(append(s.line(msg), pairs(kv)...)...)
}

// Error implements logr.LogSink.
func (s sink) Error(err error, msg string, kv ...any) {
	line := s.line(msg)
	if err != nil { // klog allows none
		line = append(line, "err", printable(err))
	}
	level.Error(s.logger).Log(append(line, pairs(kv)...)...)
}

// line returns how every line begins.
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

// WithName implements logr.LogSink. A name within a name is joined to it: two
// values of one key would be one too many for JSON.
func (s sink) WithName(name string) logr.LogSink {
	if s.component != "" {
		name = s.component + "/" + name
	}
	s.component = name
	return s
}
