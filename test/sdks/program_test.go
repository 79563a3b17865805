package sdks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A program is one that runs, or is run, in the environment of a container.
type program struct {
	kind    kind
	command []string
	env     []string

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// call has it call STS and returns its answer.
func (p *program) call(ctx context.Context, endpoint string) string {
	if p.kind.perCall {
		cmd := exec.CommandContext(ctx, p.command[0], append(slices.Clone(p.command[1:]), endpoint)...)
		cmd.Env = p.env
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Sprintf("error %q", out)
		}
		return "ok " + strings.TrimSpace(string(out))
	}
	if _, err := io.WriteString(p.stdin, "\n"); err != nil {
		return "error " + err.Error()
	}
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "error " + err.Error()
	}
	return strings.TrimSpace(line)
}

// start starts a program that runs on until end.
func (p *program) start(endpoint string) error {
	if p.kind.perCall {
		return nil
	}
	p.cmd = exec.Command(p.command[0], p.command[1:]...)
	p.cmd.Env = append(slices.Clone(p.env), "ENDPOINT="+endpoint)
	p.cmd.Stderr = os.Stderr
	stdin, err1 := p.cmd.StdinPipe()
	stdout, err2 := p.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	p.stdin, p.stdout = stdin, bufio.NewReader(stdout)
	return p.cmd.Start()
}

// end has it end by itself.
func (p *program) end() {
	if p.cmd != nil {
		_ = p.stdin.Close()
		_ = p.cmd.Wait()
	}
}
