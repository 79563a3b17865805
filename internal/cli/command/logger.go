package command

import (
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/logging"
)

// Logger returns a log of warnings on standard error, for what a command shares with the
// controller. client-go writes to it as well from then on.
func (e *Environment) Logger() log.Logger {
	logger := level.NewFilter(log.NewLogfmtLogger(log.NewSyncWriter(e.ErrOut)), level.AllowWarn())
	logging.RedirectKlog(logger, false)
	return logger
}

// UserAgent identifies the plugin in the logs of the API server.
func (e *Environment) UserAgent() string { return "kubectl-aws_iam/" + e.Version }
