package cluster

import (
	"context"
	"fmt"
	"os"
	"time"
)

// readyLimit bounds the wait for a component on a busy machine, so that one that hangs shows its log before the
// test's own time is up.
const readyLimit = time.Minute

// Component is one program of the control plane. Tests kill and start it again; it keeps its address, its flags and
// its data. It is not meant for concurrent use.
type Component struct {
	command Command
	// before, if set, makes sure that ready cannot be satisfied by what an earlier process has done.
	before  func(context.Context) error
	ready   func(context.Context) error
	process *Process
}

// Start runs the component and waits until it is ready. It does nothing when the component already runs.
func (c *Component) Start(ctx context.Context) error {
	if err := c.launch(ctx); err != nil {
		return err
	}
	return c.WaitReady(ctx)
}

func (c *Component) launch(ctx context.Context) error {
	if c.Running() {
		return nil
	}
	if c.before != nil {
		if err := c.before(ctx); err != nil {
			return fmt.Errorf("prepare %s: %w", c.command.Name, err)
		}
	}
	process, err := StartProcess(c.command)
	if err != nil {
		return err
	}
	c.process = process
	return nil
}

// WaitReady returns when the running component does its work, or an error that shows the end of its log after a
// minute at the latest.
func (c *Component) WaitReady(ctx context.Context) error {
	if c.process == nil {
		return fmt.Errorf("%s was never started", c.command.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	if err := poll(ctx, c.process.Done(), c.ready); err != nil {
		return fmt.Errorf("wait until %s is ready: %w; its log ends:\n%s", c.command.Name, err, c.process.tail())
	}
	return nil
}

// Kill ends the component as a crash would (kill -9).
func (c *Component) Kill() {
	if c.process != nil {
		c.process.Kill()
	}
}

// Signal sends a signal, for example SIGSTOP to make the component hang and SIGCONT to let it go on.
func (c *Component) Signal(signal os.Signal) error {
	if c.process == nil {
		return fmt.Errorf("signal %s: %s was never started", signal, c.command.Name)
	}
	return c.process.Signal(signal)
}

// Running tells whether the component has been started and has not ended.
func (c *Component) Running() bool {
	return c.process != nil && c.process.Running()
}

// PID returns the id of the component's latest process, and 0 before the first.
func (c *Component) PID() int {
	if c.process == nil {
		return 0
	}
	return c.process.PID()
}
