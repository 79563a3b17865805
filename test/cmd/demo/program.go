package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
)

// runProgram runs a program to its end and passes on what it says.
func runProgram(ctx context.Context, output io.Writer, env []string, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // our own
	cmd.Env, cmd.Stdout, cmd.Stderr = env, output, output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the program in the pod: %w", err)
	}
	return nil
}
