package chart

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestX(t *testing.T) {
	r, err := Release{Namespace: "kube-system", Values: map[string]any{"clusterName": "demo"}}.Render(t.Context())
	require.NoError(t, err)
	for _, o := range r.Objects {
		b, _ := yaml.Marshal(o.Object)
		if k := o.GetKind(); k != "CustomResourceDefinition" {
			fmt.Printf("---\n%s", b[:min(len(b), 1500)])
		}
	}
	fmt.Println(r.Notes)
	require.NotEmpty(t, r.Hooks)
}
