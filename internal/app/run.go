// Package app wires the controller and runs it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/logging"
)

// Exit codes. An invalid command line has its own, because a restart cannot fix it.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Run runs the command in args until ctx is done, and returns the exit code of the
// process: 0 for success, 1 for an error, 2 for an invalid command line.
func Run(ctx context.Context, version string, args []string, stdout, stderr io.Writer) int {
	command, cfg, err := config.Parse(args, stdout)
	switch {
	case errors.Is(err, config.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, err)
		return exitUsage
	case command == config.Version:
		fmt.Fprintln(stdout, version)
		return exitOK
	case command == config.TrustPolicy:
		return exitCode(printTrustPolicy(ctx, cfg, stdout, stderr), stderr)
	default:
		return runController(ctx, version, cfg, stderr)
	}
}

// exitCode reports the error of a command, and returns the exit code.
func exitCode(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitError
	}
	return exitOK
}

func runController(ctx context.Context, version string, cfg config.Config, stderr io.Writer) int {
	logger, err := logging.New(stderr, cfg.LogFormat, cfg.Debug)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	logging.RedirectKlog(logger, cfg.Debug)
	level.Info(logger).Log("msg", "starting", "version", version, "cluster", cfg.ClusterName, "namespace", cfg.Namespace)
	setGCPercent()
	if limit := setMemoryLimit(os.DirFS("/sys/fs/cgroup")); limit > 0 {
		level.Debug(logger).Log("msg", "the container has a memory limit", "runtimeLimit", limit)
	}
	c, err := build(ctx, version, cfg, logger)
	if err == nil {
		err = c.run(ctx)
	}
	if err != nil {
		level.Error(logger).Log("msg", "exiting", "err", err)
		return exitError
	}
	level.Info(logger).Log("msg", "exiting")
	return exitOK
}
