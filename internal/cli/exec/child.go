package exec

import (
	"context"
	"errors"
	"os"
	osexec "os/exec"
	"os/signal"
)

// runChild runs a program until it ends, and returns its exit code. Signals that this
// process gets meanwhile do not end it: they are the program's. An error says that the
// program could not be run.
func runChild(ctx context.Context, child *osexec.Cmd) (code int, err error) {
	signals := make(chan os.Signal, 8)
	for _, s := range passedOn {
		if !signal.Ignored(s) { // as under nohup, which the program inherits
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	if err = ctx.Err(); err != nil { // a signal came before
		return 0, err
	}
	if err = child.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			passOn(child.Process, s)
		case err = <-ended:
			if _, is := errors.AsType[*osexec.ExitError](err); err != nil && !is {
				return 0, err
			}
			return exitCode(child.ProcessState), nil
		}
	}
}
