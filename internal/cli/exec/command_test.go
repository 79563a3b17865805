package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"kube-aws-iam-controller/internal/cli/command"
)

// sdkProgram has the test binary be a program that prints which credentials and Region its SDK finds.
const sdkProgram = "which-credentials"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == sdkProgram {
		os.Exit(whichCredentials())
	}
	os.Exit(m.Run())
}

func whichCredentials() int {
	ctx := context.Background()
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err == nil {
		found, failure := cfg.Credentials.Retrieve(ctx)
		fmt.Println(found.AccessKeyID, found.Source, cfg.Region)
		err = failure
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// apiServer is an API server with some objects, by path. It forbids whatever else is asked for.
type apiServer map[string]any

func (objects apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	object, found := objects[r.URL.Path]
	if !found {
		w.WriteHeader(http.StatusForbidden)
		object = metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden}
	}
	_ = json.NewEncoder(w).Encode(object)
}

const (
	secretPath  = "/api/v1/namespaces/demo/secrets/app.aws-iam"
	accountPath = "/api/v1/namespaces/demo/serviceaccounts/app"
	policyPath  = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/kube-aws-iam-controller"
)

// serving returns an API server with the Secret of the ServiceAccount app, and other objects.
func serving(objects apiServer) apiServer {
	secret := secretOf("A", time.Hour)
	secret.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	all := apiServer{secretPath: secret}
	maps.Copy(all, objects)
	return all
}

// ran is what came of a command.
type ran struct {
	stdout, stderr string
	code           int
	err            error
}

// run runs the command with what follows exec on the command line.
func run(t *testing.T, objects apiServer, stdin string, args ...string) ran {
	t.Helper()
	server := httptest.NewServer(objects)
	t.Cleanup(server.Close)
	var out, errOut bytes.Buffer
	namespace := "demo"
	env := &command.Environment{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &errOut},
		Flags:     genericclioptions.NewConfigFlags(false), Version: "v1",
	}
	env.Flags.APIServer, env.Flags.Namespace = &server.URL, &namespace
	cmd := New(env)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(t.Context())
	var exit *command.Error
	if err != nil {
		require.ErrorAs(t, err, &exit)
		return ran{out.String(), errOut.String(), exit.Code, exit.Err}
	}
	return ran{stdout: out.String(), stderr: errOut.String()}
}

// hostile has the user's environment name other credentials in every way.
func hostile(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	for file, text := range map[string]string{
		"credentials": "[default]\naws_access_key_id = FILE\naws_secret_access_key = file\n",
		"config":      "[default]\nregion = ca-west-1\ncredential_process = /bin/false\n[profile own]\nregion = sa-east-1\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(home, ".aws", file), []byte(text), 0o600))
	}
	for _, name := range overriding {
		t.Setenv(name, "own")
	}
	t.Setenv("HOME", home)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(home, ".aws", "config")) // the SDK has looked for HOME already
	for _, name := range append([]string{"AWS_SHARED_CREDENTIALS_FILE"}, regionVariables...) {
		t.Setenv(name, "")
	}
}

func TestTheProgramsSDKFindsTheCredentialsAndTheRegion(t *testing.T) {
	account := func(region string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"iam.amazonaws.com/region": region}},
		}
	}
	policy := &admissionv1.MutatingAdmissionPolicy{TypeMeta: metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingAdmissionPolicy"}}
	policy.Spec.Variables = []admissionv1.Variable{{Name: "image", Expression: "'x'"}, {Name: "defaultRegion", Expression: "'eu-west-1'"}}
	for name, tt := range map[string]struct {
		objects apiServer
		region  string
	}{
		"annotated":                {apiServer{accountPath: account(" me-south-1 "), policyPath: policy}, "me-south-1"},
		"of the installation":      {apiServer{accountPath: account(""), policyPath: policy}, "eu-west-1"},
		"a malformed one":          {apiServer{accountPath: account("../x"), policyPath: policy}, "eu-west-1"},
		"of the user's own file":   {apiServer{accountPath: account("")}, "sa-east-1"},
		"when nothing may be seen": {nil, "sa-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			hostile(t)
			got := run(t, serving(tt.objects), "", "sa/app", "--", os.Args[0], sdkProgram)
			require.Zero(t, got.code, got)
			assert.Equal(t, "A CredentialsEndpointProvider "+tt.region+"\n", got.stdout)
			assert.Empty(t, got.stderr)
		})
	}
}

func TestTheProgramIsRunAsItIsGiven(t *testing.T) {
	got := run(t, serving(nil), "input\n", "serviceaccount", "app", "--", "sh", "-c", `cat; printf '%s\n' "$@"; echo problem >&2; exit 7`,
		"sh", "--output=json", "-n", "other", "--", "a b", "")
	assert.Equal(t, 7, got.code)
	require.NoError(t, got.err, "the exit code is all there is to say")
	assert.Equal(t, "input\n--output=json\n-n\nother\n--\na b\n\n", got.stdout)
	assert.Equal(t, "problem\n", got.stderr)

	got = run(t, serving(nil), "", "sa/app", "--", "sh", "-c", "kill -KILL $$")
	assert.Equal(t, 137, got.code)
}

func TestCredentialsAreNeitherInTheEnvironmentNorOnTheCommandLine(t *testing.T) {
	got := run(t, serving(nil), "", "sa/app", "--", "sh", "-c", "env; cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline")
	require.Zero(t, got.code)
	assert.Contains(t, got.stdout, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:")
	assert.NotContains(t, got.stdout, "SECRET-A")
	assert.NotContains(t, got.stdout, "SESSION-A")
}

func TestAnEndpointEndsWithItsProgram(t *testing.T) {
	got := run(t, serving(nil), "", "sa/app", "--", "sh", "-c", "echo $AWS_CONTAINER_CREDENTIALS_FULL_URI")
	response, err := http.Get(strings.TrimSpace(got.stdout))
	if err == nil {
		_ = response.Body.Close()
	}
	assert.ErrorContains(t, err, "refused")
}

func TestWhatCannotBeRunIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte{0, 1, 2}, 0o700))
	foreign := secretOf("A", time.Hour)
	foreign.TypeMeta, foreign.Labels = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, nil
	for name, tt := range map[string]struct {
		objects apiServer
		args    []string
		code    int
		says    string
	}{
		"no program":             {nil, []string{"sa/app", "--", "no-such-program"}, 127, `"no-such-program": there is no such program`},
		"no file":                {nil, []string{"sa/app", "--", "./no-such-program"}, 127, `"./no-such-program": there is no such program`},
		"no right to execute":    {nil, []string{"sa/app", "--", file}, 126, "permission denied"},
		"no program at all":      {nil, []string{"sa/app", "--", garbage}, 126, "exec format error"},
		"no right to read":       {apiServer{secretPath: nil}, []string{"sa/other", "--", "true"}, 125, "you may not read the Secret other.aws-iam in demo"},
		"somebody else's Secret": {apiServer{secretPath: foreign}, []string{"sa/app", "--", "true"}, 125, "is not the controller's"},
		"no dashes":              {nil, []string{"sa/app", "true"}, 125, "give the program after --"},
		"nothing after them":     {nil, []string{"sa/app", "--"}, 125, "give the program after --"},
		"nothing before them":    {nil, []string{"--", "true"}, 125, "give one ServiceAccount or AWSIAMRole before --"},
		"three names":            {nil, []string{"sa", "app", "other", "--", "true"}, 125, "give one ServiceAccount or AWSIAMRole before --"},
		"a pod":                  {nil, []string{"pod/app", "--", "true"}, 125, `"pod/app": give serviceaccount/NAME or awsiamrole/NAME`},
		"a flag before them":     {nil, []string{"sa/app", "--recursive", "--", "true"}, 125, "unknown flag: --recursive"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, serving(tt.objects), "", tt.args...)
			assert.Equal(t, tt.code, got.code)
			require.ErrorContains(t, got.err, tt.says)
			assert.Empty(t, got.stdout)
		})
	}
}
