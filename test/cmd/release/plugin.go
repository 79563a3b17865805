package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/image"
)

// pluginPlatforms are those for which there is an archive of the kubectl plugin.
var pluginPlatforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// What an archive has, besides the license. kubectl finds both files on PATH by their names: the second completes the
// arguments of the first.
const (
	pluginName     = "kubectl-aws_iam"
	completionName = "kubectl_complete-aws_iam"
	licenseName    = "LICENSE"
)

// pluginDir is the plugin's package, from the root of the repository.
const pluginDir = "cmd/" + pluginName

// archiveFile is the archive for a platform.
func archiveFile(version, platform string) string {
	name := fmt.Sprintf("%s_%s_%s", pluginName, version, strings.ReplaceAll(platform, "/", "_"))
	if onWindows(platform) {
		return name + ".zip"
	}
	return name + ".tar.gz"
}

func onWindows(platform string) bool { return strings.HasPrefix(platform, "windows/") }

// pluginProgram is the name of the plugin's program on a platform.
func pluginProgram(platform string) string {
	if onWindows(platform) {
		return pluginName + ".exe"
	}
	return pluginName
}

// writePlugin writes the archive for each platform, and the krew manifest of all of them.
func (r *release) writePlugin(ctx context.Context, dir string, platforms []string) error {
	for _, platform := range platforms {
		files, err := r.pluginFiles(ctx, platform)
		if err != nil {
			return fmt.Errorf("plugin for %s: %w", platform, err)
		}
		write := writeTarGz
		if onWindows(platform) {
			write = writeZip
		}
		if err = write(filepath.Join(dir, archiveFile(r.Version, platform)), files, r.Created); err != nil {
			return err
		}
	}
	return r.writeKrewManifest(dir, platforms)
}

// pluginFiles returns what the archive for a platform has.
func (r *release) pluginFiles(ctx context.Context, platform string) ([]archived, error) {
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	program, err := image.Build(ctx, image.Program{Package: "./" + pluginDir}, platform, r.Version)
	if err != nil {
		return nil, err
	}
	completion := completionName
	if onWindows(platform) {
		completion += ".cmd"
	}
	script, err := os.ReadFile(filepath.Join(root, pluginDir, "completion", completion)) //nolint:gosec // a file of the repository
	if err != nil {
		return nil, err
	}
	license, err := os.ReadFile(filepath.Join(root, licenseName)) //nolint:gosec // a file of the repository
	if err != nil {
		return nil, err
	}
	return []archived{
		{licenseName, license, 0o644}, {pluginProgram(platform), program, 0o755}, {completion, script, 0o755},
	}, nil
}
