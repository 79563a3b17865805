// Package debian installs what tests use and nothing here builds.
package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// ErrUnsupported says that nothing can be installed on this machine, and why.
var ErrUnsupported = errors.New("not on this machine")

// Install makes sure that root on Linux has some programs. It takes the packages that they are in by program, and gets
// what is missing with apt-get.
func Install(ctx context.Context, progress io.Writer, packages map[string]string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: it needs Linux", ErrUnsupported)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs root", ErrUnsupported)
	}
	var missing []string
	for program, name := range packages {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%w: %s missing, and there is no apt-get to install them with", ErrUnsupported, strings.Join(missing, ", "))
	}
	_, _ = fmt.Fprintf(progress, "installing %s with apt-get, for half a minute\n", strings.Join(missing, ", "))
	return install(ctx, missing)
}

func install(ctx context.Context, names []string) error {
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-qq", "-y", "--no-install-recommends"}, names...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...) //nolint:gosec // packages of ours
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: apt-get %s: %w: %s", ErrUnsupported, args[0], err, out)
		}
	}
	return nil
}
