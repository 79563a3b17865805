package cluster

import "path/filepath"

// Root returns the directory of the repository, which holds manifests and examples.
func Root() (string, error) {
	m, err := findModule()
	if err != nil {
		return "", err
	}
	return filepath.Dir(m.dir), nil
}
