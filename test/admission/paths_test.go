package admission

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/traits"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// TestThePolicyResolvesPathsAsTheKernelDoes evaluates an expression of the policy without an API server: it has no loop to
// resolve a path with, and says in another way what path.Clean does.
func TestThePolicyResolvesPathsAsTheKernelDoes(t *testing.T) {
	resolve := policyVariable(t, "paths")
	elements := []string{"", ".", "..", "..", "meta", "aws-iam", "x", "meta-x", "..."}
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		var mounts []any
		want := map[string]bool{}
		for range 40 {
			var made []string
			for range 1 + random.IntN(9) {
				made = append(made, elements[random.IntN(len(elements))])
			}
			// Half of them end where they matter.
			text := strings.Join(append(made, [][]string{nil, {"meta", "aws-iam"}}[random.IntN(2)]...), "/")
			mounts = append(mounts, map[string]any{"mountPath": text})
			if at := path.Clean("/" + text); at == "/meta/aws-iam" || strings.HasPrefix(at, "/meta/aws-iam/") {
				want[text] = true
			}
		}
		got := map[string]bool{}
		for _, found := range resolve(map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "volumeMounts": mounts}}}}) {
			got[found] = true
		}
		require.Equal(t, want, got)
	}
}

// policyVariable returns a variable of the policy as a function of a pod: the paths in what it evaluates to.
func policyVariable(t *testing.T, name string) func(pod map[string]any) []string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "manifests", "components", "admission-policy", "mutate.yaml"))
	require.NoError(t, err)
	text, _, _ = bytes.Cut(text, []byte("\n---\n"))
	var policy admissionregistrationv1.MutatingAdmissionPolicy
	require.NoError(t, yaml.Unmarshal(text, &policy))
	i := slices.IndexFunc(policy.Spec.Variables, func(v admissionregistrationv1.Variable) bool { return v.Name == name })
	require.GreaterOrEqual(t, i, 0)

	env, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Env(environment.NewExpressions)
	require.NoError(t, err)
	env, err = env.Extend(cel.Variable("object", cel.DynType))
	require.NoError(t, err)
	ast, issues := env.Compile(policy.Spec.Variables[i].Expression)
	require.NoError(t, issues.Err())
	program, err := env.Program(ast)
	require.NoError(t, err)
	return func(pod map[string]any) (paths []string) {
		out, _, err := program.Eval(map[string]any{"object": pod})
		require.NoError(t, err)
		found, is := out.(traits.Lister)
		require.True(t, is)
		for it := found.Iterator(); it.HasNext() == types.True; {
			path, is := it.Next().(traits.Mapper).Get(types.String("path")).Value().(string)
			require.True(t, is)
			paths = append(paths, path)
		}
		return paths
	}
}
