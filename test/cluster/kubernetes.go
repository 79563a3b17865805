package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// writeRelease writes, into an empty directory, a module from which a release of Kubernetes is built. It calls say for each
// part that is of an earlier patch, because the module proxy does not have it of this one.
func writeRelease(ctx context.Context, dir, version string, say func(part, version string)) error {
	goMod, err := download(ctx, dir, kubernetesModule, version)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(goMod) //nolint:gosec // in the module cache
	if err != nil {
		return err
	}
	parts, err := partsOf(content)
	if err != nil {
		return fmt.Errorf("go.mod of Kubernetes %s: %w", version, err)
	}
	versions := map[string]string{}
	for _, part := range parts {
		versions[part], err = availableVersion(partVersion(version), func(v string) error {
			_, failed := download(ctx, dir, part, v)
			return failed
		})
		if err != nil {
			return err
		}
		if versions[part] != partVersion(version) {
			say(part, versions[part])
		}
	}
	written, err := releaseModule(content, version, versions)
	if err != nil {
		return fmt.Errorf("go.mod for Kubernetes %s: %w", version, err)
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), written, 0o600) //nolint:gosec // in a directory of ours
}

// errNotServed says that the module proxy does not have a version, unlike any other failure.
var errNotServed = errors.New("the module proxy does not have it")

// download gets a module, and returns the path of its go.mod.
func download(ctx context.Context, dir, module, version string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module+"@"+version) //nolint:gosec // a module and its version
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	var downloaded struct {
		GoMod string `json:"GoMod"`
		Error string `json:"Error"`
	}
	if failed := json.Unmarshal(out, &downloaded); failed != nil || err != nil {
		for _, answer := range []string{"403 Forbidden", "404 Not Found", "410 Gone"} {
			if strings.Contains(downloaded.Error, answer) {
				err = errNotServed
			}
		}
		return "", fmt.Errorf("download %s@%s: %w: %s", module, version, err, downloaded.Error)
	}
	return downloaded.GoMod, nil
}

// partVersion returns the version that a part of a release has.
func partVersion(release string) string { return "v0." + strings.SplitN(release, ".", 2)[1] }

// availableVersion returns the version that is wanted, or the newest patch before it that is served; without any, the one
// that is wanted, which need not be needed. Any failure but errNotServed of get is an error.
func availableVersion(wanted string, get func(version string) error) (string, error) {
	minor := semver.MajorMinor(wanted)
	patch, err := strconv.Atoi(strings.TrimPrefix(wanted, minor+"."))
	for ; err == nil && patch >= 0; patch-- {
		version := fmt.Sprintf("%s.%d", minor, patch)
		if failed := get(version); !errors.Is(failed, errNotServed) {
			return version, failed
		}
	}
	return wanted, nil
}

// partsOf returns the modules that a release's own go.mod requires as v0.0.0, from a directory of its repository. They are
// modules of their own, of the same minor and patch version.
func partsOf(original []byte) (parts []string, err error) {
	read, err := modfile.Parse("go.mod", original, nil)
	if err != nil {
		return nil, err
	}
	for _, require := range read.Require {
		if require.Mod.Version == "v0.0.0" {
			parts = append(parts, require.Mod.Path)
		}
	}
	return parts, nil
}

// releaseModule returns a go.mod that requires a release of Kubernetes with all that the release's own go.mod requires,
// and the defaults of its version of Go, from parts of these versions.
func releaseModule(original []byte, version string, parts map[string]string) ([]byte, error) {
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
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		if err = made.AddReplace(part, "", part, parts[part]); err != nil {
			return nil, err
		}
	}
	made.Cleanup()
	return made.Format()
}
