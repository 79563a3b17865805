package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The tools, by the names under which everybody knows them.
const (
	etcd                  = "etcd"
	kubeAPIServer         = "kube-apiserver"
	kubeControllerManager = "kube-controller-manager"
	kubectl               = "kubectl"
	kubelet               = "kubelet"
	kubeProxy             = "kube-proxy"
	kubeScheduler         = "kube-scheduler"
)

// The modules that the tools come from.
const (
	etcdModule       = "go.etcd.io/etcd/server/v3"
	kubernetesModule = "k8s.io/kubernetes"
)

// progressInterval is how often a long build shows that it is alive.
const progressInterval = 15 * time.Second

// builder builds tools from the module's requirements into a directory named after their versions, so that an upgrade
// in go.mod builds anew and going back finds what was there.
type builder struct {
	module module
	// kubernetes is the version to build, and another says that it is not the one of the module, but is built from a
	// module of its own.
	kubernetes string
	another    bool
	dir        string
	progress   io.Writer
}

func newBuilder(progress io.Writer) (builder, error) {
	m, err := findModule()
	if err != nil {
		return builder{}, fmt.Errorf("find what to build the control plane from: %w", err)
	}
	version, another, err := chosenVersion(m)
	if err != nil {
		return builder{}, err
	}
	if progress == nil {
		progress = io.Discard
	}
	// The platform is part of the name for a repository that a container and its host share.
	name := fmt.Sprintf("kubernetes-%s_etcd-%s_%s-%s",
		version, m.versions[etcdModule], runtime.GOOS, runtime.GOARCH)
	return builder{
		module: m, kubernetes: version, another: another, dir: filepath.Join(m.dir, ".bin", name), progress: progress,
	}, nil
}

// build makes the named tools. It locks out other processes, and then makes only what they have not made meanwhile.
func (b builder) build(ctx context.Context, names []string) error {
	if err := os.MkdirAll(b.dir, 0o750); err != nil {
		return fmt.Errorf("directory for the tools: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(b.dir, "lock"), func() {
		b.say("waiting for another process that builds the control plane")
	})
	if err != nil {
		return err
	}
	defer unlock() //nolint:errcheck // closing a file that was only locked

	names = pick(map[string]string{}, b.dir, names)
	if len(names) == 0 {
		return nil
	}
	b.say("building %s from source into %s; the first time this takes about five minutes on two cores",
		strings.Join(names, ", "), b.dir)
	if b.another {
		remove, err := b.writeSource(ctx)
		if err != nil {
			return err
		}
		defer remove() //nolint:errcheck // what is left there is written anew
	}
	start := time.Now()
	for i, name := range names {
		step := fmt.Sprintf("%s (%d of %d)", name, i+1, len(names))
		if err := b.buildOne(ctx, name, step, start); err != nil {
			return err
		}
	}
	b.say("built in %s", time.Since(start).Round(time.Second))
	return nil
}

// buildOne puts a tool in its place only when it is whole.
func (b builder) buildOne(ctx context.Context, name, step string, start time.Time) error {
	log := filepath.Join(b.dir, name+".log")
	if err := os.RemoveAll(log); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	unfinished := filepath.Join(b.dir, "."+name)
	compiler, err := StartProcess(Command{
		Name: "go build of " + name,
		Path: "go",
		Args: []string{"build", "-ldflags", b.linkerFlags(name), "-o", unfinished, packageOf(name)},
		Env:  b.environment(name),
		Dir:  b.sourceOf(name),
		Log:  log,
	})
	if err != nil {
		return err
	}
	defer compiler.Kill()
	if err := b.watch(ctx, compiler, step, start); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(unfinished, filepath.Join(b.dir, name)), os.Remove(log)); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	return nil
}

// source is the module of another release than that of go.mod.
func (b builder) source() string { return filepath.Join(b.dir, "source") }

// writeSource writes that module, and returns how to take it away.
func (b builder) writeSource(ctx context.Context) (remove func() error, err error) {
	remove = func() error { return os.RemoveAll(b.source()) }
	if err := errors.Join(remove(), os.Mkdir(b.source(), 0o750)); err != nil {
		return nil, err
	}
	return remove, writeRelease(ctx, b.source(), b.kubernetes, func(part, version string) {
		b.say("%s is of %s: the module proxy has it of no later patch", part, version)
	})
}

// sourceOf returns the directory of the module that a tool is built from. There is one etcd for all releases.
func (b builder) sourceOf(name string) string {
	if b.another && name != etcd {
		return b.source()
	}
	return b.module.dir
}

// environment lets a module that was just written get its checksums.
func (b builder) environment(name string) []string {
	env := append(os.Environ(), "GOWORK=off")
	if b.sourceOf(name) == b.source() {
		env = append(env, "GOFLAGS=-mod=mod")
	}
	return env
}

func packageOf(name string) string {
	if name == etcd {
		return etcdModule // whose binary go would call "server"
	}
	return kubernetesModule + "/cmd/" + name
}

// linkerFlags leave out the symbols, a third of the size, and stamp the version that /version and kubectl tell.
func (b builder) linkerFlags(name string) string {
	flags := "-s -w"
	if name != etcd {
		version := b.kubernetes
		parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
		const stamp = " -X k8s.io/component-base/version."
		flags += stamp + "gitVersion=" + version + stamp + "gitMajor=" + parts[0] + stamp + "gitMinor=" + parts[1]
	}
	return flags
}

// watch waits for a build to succeed and tells how long it has taken so far.
func (b builder) watch(ctx context.Context, compiler *Process, step string, start time.Time) error {
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	b.say("%s", step)
	for {
		select {
		case <-compiler.Done():
			if compiler.ExitCode() != 0 {
				return fmt.Errorf("build %s: go exited with code %d:\n%s", step, compiler.ExitCode(), compiler.tail())
			}
			return nil
		case <-ticker.C:
			b.say("%s, %s since the start", step, time.Since(start).Round(time.Second))
		case <-ctx.Done():
			return fmt.Errorf("build %s: %w", step, ctx.Err())
		}
	}
}

func (b builder) say(format string, values ...any) {
	_, _ = fmt.Fprintf(b.progress, "control plane: "+format+"\n", values...)
}
