// Package logging makes the process's one logger, and lends it to client-go.
package logging

import (
	"fmt"
	"io"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// New returns a logger that writes lines of format "logfmt" or "json" to w.
// Every line has ts, caller, level and msg; what it is about is called object,
// role, component and err.
func New(w io.Writer, format string, debug bool) (log.Logger, error) {
	w = log.NewSyncWriter(w)
	var logger log.Logger
	switch format {
	case "logfmt":
		logger = log.NewLogfmtLogger(w)
	case "json":
		logger = log.NewJSONLogger(w)
	default:
		return nil, fmt.Errorf("log format %q: give logfmt or json", format)
	}
	threshold := level.AllowInfo()
	if debug {
		threshold = level.AllowDebug()
	}
	// Level values are checked before anything is rendered, so debug lines
	// cost nothing where they are not wanted.
	logger = level.NewFilter(logger, threshold)
	return log.With(logger, "ts", log.TimestampFormat(now, time.RFC3339Nano), "caller", log.DefaultCaller), nil
}

func now() time.Time { return time.Now().UTC() }
