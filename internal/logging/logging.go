// Package logging creates the logger of the process and redirects client-go's logs to it.
package logging

import (
	"fmt"
	"io"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// New returns a logger that writes lines of format "logfmt" or "json" to w.
// Every line has the keys ts, caller, level and msg. Its subject is in object, role,
// component and err.
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
	logger = log.With(printing(logger), "ts", log.TimestampFormat(now, time.RFC3339Nano), "caller", log.Valuer(caller))
	threshold := level.AllowInfo()
	if debug {
		threshold = level.AllowDebug()
	}
	// The filter is outermost, so that dropped lines evaluate neither the clock nor the
	// stack.
	return level.NewFilter(logger, threshold), nil
}

func now() time.Time { return time.Now().UTC() }
