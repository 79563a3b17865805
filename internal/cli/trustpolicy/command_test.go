package trustpolicy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"kube-aws-iam-controller/internal/cli/command"
)

// cluster is an API server with one controller, whose container has these arguments.
func cluster(t *testing.T, args ...string) string {
	t.Helper()
	deployment := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "aws", Name: "iam"}}
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "controller", Args: args}}
	objects := map[string]any{
		"/apis/apps/v1/deployments": appsv1.DeploymentList{
			TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DeploymentList"}, Items: []appsv1.Deployment{deployment},
		},
		"/api/v1/namespaces/aws/serviceaccounts/default": corev1.ServiceAccount{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		object, found := objects[r.URL.Path]
		if !found {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(object))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func run(t *testing.T, url string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	env := &command.Environment{
		IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, Flags: genericclioptions.NewConfigFlags(false), Version: "v1",
	}
	env.Flags.APIServer = &url
	cmd := New(env)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestThePolicyIsThatOfTheInstalledController(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/infra/controller"
	url := cluster(t, "--cluster-name=prod", "--controller-role-arn="+role, "--allow-source-identity")
	out, err := run(t, url, "demo", "reader")
	require.NoError(t, err)
	assert.True(t, json.Valid([]byte(out)), out)
	for _, want := range []string{`"AWS": "` + role + `"`, `"sts:ExternalId": "demo/prod"`, `"sts:RoleSessionName": "demo.reader"`, "sts:SetSourceIdentity"} {
		assert.Contains(t, out, want)
	}
	out, err = run(t, url, "demo", "--controller-role-arn=arn:aws:iam::123456789012:role/another", "--cluster-name=test")
	require.NoError(t, err)
	assert.NotContains(t, out, role)
	assert.NotContains(t, out, "sts:RoleSessionName")
	assert.Contains(t, out, `"sts:ExternalId": "demo/test"`)
}

func TestNoPolicyIsPrintedThatWouldBeWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		controller, args []string
		says             string
	}{
		"the role is not known":       {[]string{"--cluster-name=prod"}, []string{"demo"}, "give the ARN of the controller's own role with --controller-role-arn"},
		"no cluster name":             {nil, []string{"demo"}, "give the one that it runs with as --cluster-name"},
		"no namespace":                {[]string{"--cluster-name=prod"}, []string{"Demo"}, `"Demo" is not a namespace`},
		"no ServiceAccount":           {[]string{"--cluster-name=prod"}, []string{"demo", "a b"}, `"a b" is not the name of a ServiceAccount`},
		"a namespace it serves not":   {[]string{"--cluster-name=prod", "--namespace=team"}, []string{"demo"}, "no controller was found"},
		"a configuration not known":   {[]string{"--of-tomorrow"}, []string{"demo"}, "is not understood by this version"},
		"a role that is malformed":    {[]string{"--cluster-name=prod"}, []string{"demo", "--controller-role-arn=x"}, "is not an ARN"},
		"three arguments":             {nil, []string{"a", "b", "c"}, "name a namespace, and at most one ServiceAccount of it"},
		"a name that is no full name": {nil, []string{"demo", "--controller=iam"}, "give NAMESPACE/NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, cluster(t, tt.controller...), tt.args...)
			require.ErrorContains(t, err, tt.says)
			assert.Empty(t, out)
		})
	}
}
