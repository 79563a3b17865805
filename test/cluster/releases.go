package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// oldestMinor is the oldest minor version of Kubernetes that the controller supports.
const oldestMinor = "v1.30"

// DefaultRelease returns the release of Kubernetes that a control plane is of unless another one is chosen, such as 1.37.2.
func DefaultRelease() (string, error) {
	m, err := findModule()
	return strings.TrimPrefix(m.versions[kubernetesModule], "v"), err
}

// Releases returns the newest patch of each supported minor version of Kubernetes, the oldest first, as the module proxy has
// them; of the newest minor version the one in go.mod.
func Releases(ctx context.Context) ([]string, error) {
	m, err := findModule()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-versions", "-json", kubernetesModule)
	cmd.Dir, cmd.Env, cmd.Stderr = m.dir, append(os.Environ(), "GOWORK=off"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the releases of Kubernetes: %w", err)
	}
	var known struct {
		Versions []string `json:"Versions"`
	}
	if err = json.Unmarshal(out, &known); err != nil {
		return nil, fmt.Errorf("list the releases of Kubernetes: %w", err)
	}
	return newestPatches(known.Versions, m.versions[kubernetesModule]), nil
}

// newestPatches returns the newest patch of each minor version from the oldest that is supported to that of another version,
// which it has itself.
func newestPatches(versions []string, last string) (releases []string) {
	newest := map[string]string{semver.MajorMinor(last): last}
	for _, version := range versions {
		minor := semver.MajorMinor(version)
		if semver.Prerelease(version) != "" || semver.Compare(minor, oldestMinor) < 0 || semver.Compare(minor, semver.MajorMinor(last)) >= 0 {
			continue
		}
		if semver.Compare(version, newest[minor]) > 0 {
			newest[minor] = version
		}
	}
	for _, version := range newest {
		releases = append(releases, strings.TrimPrefix(version, "v"))
	}
	slices.SortFunc(releases, func(a, b string) int { return semver.Compare("v"+a, "v"+b) })
	return releases
}
