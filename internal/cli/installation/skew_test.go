package installation

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// of returns a controller with an image, and a version that the chart says.
func of(image, label string) *Controller {
	c := &Controller{Deployment: deployment("iam", "controller"), Image: image}
	c.Deployment.Labels[versionLabel] = label
	return c
}

func TestTheVersionIsTheTagsOrTheCharts(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, tt := range map[string]struct{ image, label, want string }{
		"tag":                         {"registry.example:5000/controller:v1.2.3", "", "v1.2.3"},
		"tag and digest":              {"registry.example:5000/controller:v1.2.3" + digest, "v1.1.0", "v1.2.3"},
		"digest, by Helm":             {"registry.example:5000/controller" + digest, "v1.2.3", "v1.2.3"},
		"digest, by kustomize":        {"registry.example:5000/controller" + digest, "", ""},
		"a tag that is no version":    {"controller:latest", "v1.2.3", "v1.2.3"},
		"a port, and no tag":          {"registry.example:5000/controller", "", ""},
		"between two releases":        {"controller:v1.2.3-4-g0123456", "", "v1.2.3-4-g0123456"},
		"a commit, and a chart of it": {"controller:0123456", "0123456", ""},
		"none":                        {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tt.want, of(tt.image, tt.label).Version()) })
	}
}

func TestAnotherMinorVersionIsSaid(t *testing.T) {
	for name, tt := range map[string]struct {
		plugin, controller string
		want               bool
	}{
		"the same":                   {"v1.2.3", "v1.2.3", false},
		"another patch":              {"v1.2.3", "v1.2.0", false},
		"a newer plugin":             {"v1.3.0", "v1.2.3", true},
		"an older plugin":            {"v1.1.0", "v1.2.3", true},
		"another major version":      {"v2.2.0", "v1.2.0", true},
		"a plugin of a commit":       {"0123456", "v1.2.3", false},
		"a plugin after a release":   {"v1.2.3-4-g0123456", "v1.2.3", false},
		"a controller of its latest": {"v1.2.3", "latest", false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, Skewed(tt.plugin, tt.controller))
		})
	}
}

func TestAnotherMinorVersionIsSaidOnceHoweverOftenTheControllerIsFound(t *testing.T) {
	image := func(name string) corev1.Container { return corev1.Container{Name: "controller", Image: "c:" + name} }
	client := fake.NewClientset(deployment("a", "same", image("v1.3.1")), deployment("b", "older", image("v1.2.3")))
	var out bytes.Buffer
	finder := NewFinder(client, "v1.3.0", &out)
	for range 2 {
		_, err := finder.Anywhere(t.Context())
		require.NoError(t, err)
		_, err = finder.Select(t.Context(), "b/older", "")
		require.NoError(t, err)
	}
	assert.Equal(t, "warning: kubectl aws-iam is v1.3.0 and the controller b/older is v1.2.3: "+
		"they may not know the same settings and annotations. Use the plugin of the controller's version.\n", out.String())
}
