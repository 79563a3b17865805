package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// logTail is how much of a process' log goes into an error.
const logTail = 2 << 10

// Command says which program to run and where its output goes.
type Command struct {
	// Name stands for the process in errors.
	Name string
	Path string
	Args []string
	// Env is its whole environment; nil stands for that of this process.
	Env []string
	// Dir is its working directory; empty stands for that of this process.
	Dir string
	// Log is the file to which standard output and standard error are appended.
	Log string
}

// Process is a running or ended program, in a process group of its own. On Linux the kernel kills it when the process
// that started it ends, however that happens.
type Process struct {
	command Command
	cmd     *exec.Cmd
	done    chan struct{}
}

// StartProcess runs a command until it ends by itself or by Stop or Kill: no context bounds its life, because it has
// to outlive the one that bounds the waiting for its start.
func StartProcess(command Command) (*Process, error) {
	log, err := os.OpenFile(command.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", command.Name, err)
	}
	defer log.Close() // the child has its own copy

	cmd := exec.Command(command.Path, command.Args...) //nolint:gosec,noctx // running what the caller names is the purpose, beyond any context
	cmd.Env, cmd.Dir = command.Env, command.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processGroup()

	p := &Process{command: command, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Name, err)
	}
	return p, nil
}

// run keeps its thread for as long as the child lives: the kernel sends the parent-death signal when the thread that
// forked ends, and the Go runtime may end a thread long before the process.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // how it ended is in ProcessState
	close(p.done)
}

// PID returns the process id, which is also the id of the process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running tells whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode returns what the process exited with, and -1 while it runs or when a signal ended it.
func (p *Process) ExitCode() int {
	if p.Running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// Wait returns the exit code once the process has ended.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.ExitCode(), nil
	case <-ctx.Done():
		return -1, fmt.Errorf("wait for the end of %s: %w", p.command.Name, ctx.Err())
	}
}

// Signal sends a signal to the process alone, as a kubelet does. An ended process is no error.
func (p *Process) Signal(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s to %s: %w", signal, p.command.Name, err)
	}
	return nil
}

// Stop asks the process to end, waits for that and returns its exit code. When the context ends first, it kills the
// process and returns an error.
func (p *Process) Stop(ctx context.Context) (int, error) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return -1, err
	}
	code, err := p.Wait(ctx)
	if err != nil {
		p.Kill()
	}
	return code, err
}

// Kill ends the process and its children at once (kill -9) and returns when the process is gone.
func (p *Process) Kill() {
	if p.Running() {
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // fails only when it has just ended
	}
	<-p.done
}

// Output returns what the process, and any before it with the same log file, has written.
func (p *Process) Output() (string, error) {
	out, err := os.ReadFile(p.command.Log)
	if err != nil {
		return "", fmt.Errorf("output of %s: %w", p.command.Name, err)
	}
	return string(out), nil
}

// tail returns the last lines of the output, for an error message.
func (p *Process) tail() string {
	out, err := p.Output()
	if err != nil {
		return err.Error()
	}
	return out[max(0, len(out)-logTail):]
}
