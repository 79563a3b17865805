package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/mod/modfile"
)

// modulePath is the module whose go.mod names the versions of the tools.
const modulePath = "kube-aws-iam-controller/test"

// module is where the tools are built from.
type module struct {
	dir      string
	versions map[string]string // by module path
}

// findModule looks where this source file was compiled, which is right unless paths were trimmed or the binary was
// moved to another machine; then around the working directory.
func findModule() (module, error) {
	var dirs []string
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		dirs = append(dirs, filepath.Dir(filepath.Dir(file)))
	}
	working, err := os.Getwd()
	if err != nil {
		return module{}, err
	}
	return findIn(append(dirs, ancestors(working)...))
}

// ancestors returns a directory and those above it, each followed by the test directory it may have.
func ancestors(dir string) []string {
	var dirs []string
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		dirs = append(dirs, dir, filepath.Join(dir, "test"))
	}
	return dirs
}

func findIn(dirs []string) (module, error) {
	for _, dir := range dirs {
		m, err := readModule(dir)
		if !errors.Is(err, os.ErrNotExist) {
			return m, err
		}
	}
	return module{}, fmt.Errorf("no go.mod of %s in or above the working directory", modulePath)
}

// readModule reports another module's go.mod as one that does not exist.
func readModule(dir string) (module, error) {
	path := filepath.Join(dir, "go.mod")
	content, err := os.ReadFile(path) //nolint:gosec // a go.mod in a directory we choose
	if err != nil {
		return module{}, err
	}
	if modfile.ModulePath(content) != modulePath {
		return module{}, fmt.Errorf("%s: another module: %w", path, os.ErrNotExist)
	}
	file, err := modfile.Parse(path, content, nil)
	if err != nil {
		return module{}, err
	}
	versions := map[string]string{}
	for _, require := range file.Require {
		versions[require.Mod.Path] = require.Mod.Version
	}
	return module{dir: dir, versions: versions}, nil
}
