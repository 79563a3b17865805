package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// documents are the YAML or JSON documents of a block.
func (b block) documents() []string { return strings.Split(b.text(), "\n---\n") }

func TestBlocksOfYAMLAndJSONParse(t *testing.T) {
	count := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks(t) {
			for _, text := range b.documents() {
				var value any
				switch {
				case b.language == "yaml":
					count++
					require.NoError(t, yaml.UnmarshalStrict([]byte(text), &value), "%s:%d", b.page, b.line)
				case b.language == "json" && strings.HasPrefix(text, "{"):
					require.NoError(t, json.Unmarshal([]byte(text), &value), "%s:%d", b.page, b.line)
				}
			}
		}
	}
	require.GreaterOrEqual(t, count, 15)
}

var kustomization = regexp.MustCompile(`(?m)^(resources|components|patches):`)

// has says whether a document has a field at its top.
func has(text, field string) bool { return strings.Contains("\n"+text, "\n"+field+":") }

// TestKustomizationsOfTheDocumentsChangeWhatIsInstalled builds what readers put into a kustomization of theirs, which is
// beside examples/install, and sees that each patch finds what it is for.
func TestKustomizationsOfTheDocumentsChangeWhatIsInstalled(t *testing.T) {
	control, dir := shared.Get(t), clone(t)
	build := func(name, text string) string {
		at := filepath.Join(dir, "examples", name)
		require.NoError(t, os.MkdirAll(at, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(at, "kustomization.yaml"), []byte(text), 0o600))
		out, err := control.Kubectl(t.Context(), "kustomize", at)
		require.NoError(t, err, text)
		return out
	}
	count := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks(t) {
			for i, text := range b.documents() {
				if b.language != "yaml" || !kustomization.MatchString(text) {
					continue
				}
				count++
				if !has(text, "resources") {
					text = "resources: [../../manifests/base]\n" + text
				}
				if !has(text, "components") && !strings.Contains(text, "namespaced") {
					text = "components: [../../manifests/components/webhook]\n" + text
				}
				name := fmt.Sprintf("%s-%d-%d", filepath.Base(b.page), b.line, i)
				bare, _, patched := strings.Cut(text, "patches:")
				with := build(name, text)
				if patched {
					assert.NotEqual(t, build(name, bare), with, "%s:%d: a patch changes nothing", b.page, b.line)
				}
			}
		}
	}
	require.GreaterOrEqual(t, count, 6)
}
