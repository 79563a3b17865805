package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/image"
)

func TestTheManifestsNameTheImageOfTheReleaseAndNoOther(t *testing.T) {
	dir := t.TempDir()
	r := &release{Origin: image.Origin{Version: "v1.2.3"}, image: "registry.example.com/controller"}
	require.NoError(t, r.writeManifests(dir))
	for name, want := range map[string]struct {
		images int // Deployment, ConfigMap, and policy if there is one
		kinds  []string
	}{
		"install.yaml":         {images: 3, kinds: []string{"MutatingAdmissionPolicy"}},
		"install-webhook.yaml": {images: 2, kinds: []string{"MutatingWebhookConfiguration", "Service"}},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		head, objects, found := strings.Cut(string(text), "\napiVersion:")
		require.True(t, found)
		for line := range strings.Lines(head) {
			assert.True(t, strings.HasPrefix(line, "#"), "the heading is a comment: %s", line)
		}
		assert.Equal(t, want.images, strings.Count(objects, "registry.example.com/controller:v1.2.3"), name)
		assert.NotContains(t, objects, ":latest")
		for _, kind := range append(want.kinds, "Deployment", "CustomResourceDefinition", "ValidatingAdmissionPolicy", "NetworkPolicy") {
			assert.Contains(t, objects, "\nkind: "+kind+"\n", name)
		}
	}
	assert.Len(t, installations, 2)
}

func TestADirectoryThatHoldsSomethingElseIsNotEmptied(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, prepare(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))
	require.ErrorContains(t, prepare(dir), "is not empty")
	require.NoError(t, writeSums(dir))
	require.NoError(t, prepare(dir), "a release before it")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
}

// beneath is what components build on, besides the base.
var beneath = map[string]string{"admission-settings": "admission-policy"}

func TestEveryKustomizationBuilds(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	built := 0
	for _, top := range []string{"manifests", "examples"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, top), func(path string, _ os.DirEntry, err error) error {
			if filepath.Base(path) == "kustomization.yaml" {
				built++
				t.Run(strings.TrimPrefix(filepath.Dir(path), root+"/"), func(t *testing.T) { builds(t, root, path) })
			}
			return err
		}))
	}
	assert.Greater(t, built, 10)
}

// builds builds a kustomization as it is, and a component on what it is made for.
func builds(t *testing.T, root, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var kustomization struct{ Kind string }
	require.NoError(t, yaml.Unmarshal(text, &kustomization))
	dir := filepath.Dir(path)
	if kustomization.Kind == "Component" {
		on := t.TempDir()
		var components []string
		for _, name := range []string{beneath[filepath.Base(dir)], filepath.Base(dir)} {
			if name == "" {
				continue
			}
			component, failed := filepath.Rel(on, filepath.Join(filepath.Dir(dir), name))
			require.NoError(t, failed)
			components = append(components, component)
		}
		base, failed := filepath.Rel(on, filepath.Join(root, "manifests", "base"))
		require.NoError(t, failed)
		text := "resources: [" + base + "]\ncomponents: [" + strings.Join(components, ", ") + "]\n"
		require.NoError(t, os.WriteFile(filepath.Join(on, "kustomization.yaml"), []byte(text), 0o600))
		dir = on
	}
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	assert.NotZero(t, rendered.Size())
}
