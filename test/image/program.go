package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"kube-aws-iam-controller/test/cluster"
)

// A Program is a Go package and where its binary goes.
type Program struct {
	// Path is absolute, in the image.
	Path string
	// Dir is the module's, from the root of the repository, and Package one of its packages.
	Dir, Package string
	// Root is that of another copy of the repository; empty for the one that this was compiled in.
	Root string
}

// Build returns the static binary of a program for a platform, such as windows/arm64, that says it is of a version.
func Build(ctx context.Context, program Program, platform, version string) ([]byte, error) {
	parsed, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	return build(ctx, program, parsed, version)
}

func build(ctx context.Context, program Program, platform *v1.Platform, version string) ([]byte, error) {
	root := program.Root
	if root == "" {
		var err error
		if root, err = cluster.Root(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "binary")
	//nolint:gosec // a program of the repository
	compiler := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+version, "-o", binary, program.Package)
	compiler.Dir = filepath.Join(root, program.Dir)
	compiler.Env = append(os.Environ(), settings(platform)...)
	if out, err := compiler.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", program.Package, err, out)
	}
	return os.ReadFile(binary) //nolint:gosec // it was just built
}

// settings decide what a compiler makes of a source, whatever whoever runs it has set for other builds: the linker
// writes most of them into the binary.
func settings(platform *v1.Platform) []string {
	return []string{
		"GOOS=" + platform.OS, "GOARCH=" + platform.Architecture, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off",
	}
}
