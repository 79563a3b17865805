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
	logger = log.With(printing(logger), "ts", log.TimestampFormat(now, time.RFC3339Nano), "caller", log.Valuer(caller))
	threshold := level.AllowInfo()
	if debug {
		threshold = level.AllowDebug()
	}
	// The filter is outermost, so that the lines it drops cost neither a look
	// at the clock nor one at the stack.
	return level.NewFilter(logger, threshold), nil
}

func now() time.Time { return time.Now().UTC() }
