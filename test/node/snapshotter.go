package node

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// snapshotter is the one of containerd's snapshotters that containers are made by: overlayfs, as on other nodes, where the
// machine mounts it below a directory. The other one copies the whole image for each container, which takes longer than
// anything else about its start.
func snapshotter(ctx context.Context, dir string) (string, error) {
	dir, err := os.MkdirTemp(dir, "overlay-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	paths := map[string]string{}
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		paths[name] = filepath.Join(dir, name)
		if err := os.Mkdir(paths[name], 0o750); err != nil {
			return "", err
		}
	}
	options := strings.Join([]string{"lowerdir=" + paths["lower"], "upperdir=" + paths["upper"], "workdir=" + paths["work"]}, ",")
	if err := command(ctx, "mount", "-t", "overlay", "overlay", "-o", options, paths["merged"]); err != nil {
		return "native", nil // which works everywhere
	}
	return "overlayfs", command(ctx, "umount", paths["merged"])
}
