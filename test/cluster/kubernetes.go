package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// VersionVariable names the environment variable that chooses another release of Kubernetes than the one in go.mod, such
// as 1.30.14.
const VersionVariable = "CONTROL_PLANE_KUBERNETES"

// chosenVersion returns the release to build, and whether it is another one than in go.mod.
func chosenVersion(m module) (version string, another bool, err error) {
	text := os.Getenv(VersionVariable)
	if text == "" {
		return m.versions[kubernetesModule], false, nil
	}
	version = "v" + strings.TrimPrefix(text, "v")
	if semver.Canonical(version) != version {
		return "", false, fmt.Errorf("%s: %q is not a release such as 1.30.14", VersionVariable, text)
	}
	return version, version != m.versions[kubernetesModule], nil
}

// writeRelease writes, into an empty directory, a module from which a release of Kubernetes is built.
func writeRelease(ctx context.Context, dir, version string) error {
	path, err := download(ctx, dir, version)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path) //nolint:gosec // in the module cache
	if err != nil {
		return err
	}
	written, err := releaseModule(content, version)
	if err != nil {
		return fmt.Errorf("go.mod for Kubernetes %s: %w", version, err)
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), written, 0o600) //nolint:gosec // in a directory of ours
}

// download gets a release as a module, and returns the path of its go.mod.
func download(ctx context.Context, dir, version string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", kubernetesModule+"@"+version) //nolint:gosec // a version
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	var downloaded struct {
		GoMod string `json:"GoMod"`
		Error string `json:"Error"`
	}
	if failed := json.Unmarshal(out, &downloaded); failed != nil || err != nil {
		return "", fmt.Errorf("download Kubernetes %s: %w: %s", version, err, downloaded.Error)
	}
	return downloaded.GoMod, nil
}

// releaseModule returns a go.mod that requires a release of Kubernetes with all that the release's own go.mod requires,
// and the defaults of its version of Go. Its parts are required there as v0.0.0, from a directory of its repository; they
// are modules of their own, of the same minor and patch version.
func releaseModule(original []byte, version string) ([]byte, error) {
	read, err := modfile.Parse("go.mod", original, nil)
	if err != nil {
		return nil, err
	}
	made := &modfile.File{}
	if err = made.AddModuleStmt(modulePath + "/kubernetes"); err != nil {
		return nil, err
	}
	if err = made.AddGoStmt(read.Go.Version); err != nil {
		return nil, err
	}
	for _, setting := range read.Godebug {
		if err = made.AddGodebug(setting.Key, setting.Value); err != nil {
			return nil, err
		}
	}
	made.AddNewRequire(kubernetesModule, version, false)
	part := "v0." + strings.SplitN(version, ".", 2)[1]
	for _, require := range read.Require {
		if require.Mod.Version != "v0.0.0" {
			continue
		}
		if err = made.AddReplace(require.Mod.Path, "", require.Mod.Path, part); err != nil {
			return nil, err
		}
	}
	made.Cleanup()
	return made.Format()
}
