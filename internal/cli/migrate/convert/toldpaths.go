package convert

import (
	"path"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// toldPaths returns the paths at and below a directory that a container is told: in its
// command, its probes, and all variables but the given ones. Other ways in which a
// program finds paths are unknown.
func toldPaths(container *node, directory string, except func(v *node) bool) (all []string) {
	seen := map[*node]bool{} // by aliases a value can have itself inside
	var visit func(n *node)
	visit = func(n *node) {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if seen[n] || except(n) {
			return
		}
		seen[n] = true
		if n.Kind == yaml.ScalarNode {
			all = append(all, pathsIn(n.Value, directory)...)
		}
		for i, child := range n.Content {
			if isMounts := n == container && i%2 == 1 && n.Content[i-1].Value == "volumeMounts"; !isMounts {
				visit(child)
			}
		}
	}
	visit(container)
	return all
}

// pathsIn returns the paths at and below a directory in a text. A path that continues
// to the left, as in a URL, is a different one.
func pathsIn(text, directory string) (all []string) {
	for text != "" {
		i := strings.Index(text, directory)
		if i < 0 {
			return all
		}
		end := i + len(directory)
		for end < len(text) && inPath(text[end]) {
			end++
		}
		if found := path.Clean(text[i:end]); (i == 0 || !inPath(text[i-1])) && below(found, directory) {
			all = append(all, found)
		}
		text = text[end:]
	}
	return all
}

// inPath reports whether a path can go on with a character.
func inPath(c byte) bool {
	return c == '/' || c == '.' || c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
