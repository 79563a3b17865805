package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/chart"
)

// An exception is a command that cannot be run here, why, and what is checked in its place.
type exception struct {
	pattern, because string
	instead          func(*testing.T, *world, command)
}

func (e exception) matches(text string) bool {
	return regexp.MustCompile(`^(?:` + e.pattern + `)`).MatchString(text)
}

// exceptions is the whole list: whatever is not in it is run.
var exceptions = []exception{
	{`make demo\b`, "it starts a control plane of its own, for minutes", dryMake},
	{`make push\b`, "there is no such registry; test/image pushes to one", pushed},
	{`make release\b`, "it makes everything twice, for minutes, of a version that does not exist yet", dryMake},
	{`(sudo tar -xzf dist|kubectl krew install)\b`, "it needs a release, or krew; test/cmd/release runs what is in an archive by kubectl", released},
	{`(cd dist && sha256sum|sha256sum dist|jq .* dist|skopeo inspect .* oci-archive:dist)`, "it needs a release; test/cmd/release compares what it has with the page", released},
	{`(skopeo copy|crane|oras|ctr|mkdir -p bin/layout|tar -xf bin)\b`, "there is no such registry, nor the image; test/image copies it with skopeo", imageNamed},
	{`docker (build|push)\b`, "there is neither a daemon nor a registry; test/image makes the image of the same Dockerfile", dockerfile},
	{`aws cloudformation deploy\b`, "it needs an AWS account; test/iam tries what the template makes", template},
	{`aws cloudformation describe-stacks\b`, "it needs an AWS account", stack},
	{`aws eks (create|update)-pod-identity-association\b`, "it needs an AWS account", association},
	{`aws eks (create-addon|describe-cluster|(list|describe)-pod-identity-associations?)\b`, "it needs an AWS account", eksCluster},
	{`aws s3 cp\b`, "it needs an AWS account", published},
	{`gcloud compute firewall-rules create\b`, "it needs a project of Google Cloud", firewall},
	{`velero (backup|restore) create\b`, "there is no Velero", leftOut},
	{`aws ec2 modify-instance-metadata-options\b`, "it needs an AWS account", hopLimit},
	{`(for role in \$\()?aws iam\b`, "it needs the AWS CLI, and an account", operations},
	{`aws accessanalyzer validate-policy\b`, "it needs an AWS account", identityPolicy},
	{`aws rolesanywhere\b`, "it needs an AWS account", rolesAnywhere},
	{`curl --fail https://oidc\.example\.com\b`, "nobody has published that", example},
	{`kubectl apply -f examples/credentials/roles-anywhere/certificate\.yaml`, "cert-manager is not installed", certificate},
	{`kubectl aws-iam (bootstrap|uninstall)\b`, "it needs an AWS account; test/integration runs it", pluginKnows},
	{`kubectl aws-iam exec\b`, "it needs the AWS CLI, and an account; test/plugin runs programs with SDKs", withCredentials},
	{`terraform -chdir=\S+ (init|apply)\b`, "it downloads a provider, and needs an AWS account; test/iam tries what the module makes", module},
	{`ip6?tables\b`, "it would change the firewall of this machine", address},
	{`helm (install|test|upgrade)\b`, "there is no helm; test/chart installs, changes and uninstalls releases with its library", release},
	{`kubectl run\b`, "no node runs pods", dryRun},
	{`kubectl aws-iam migrate\b`, "there are no manifests to migrate; test/plugin converts examples of all kinds", pluginKnows},
	{`kubectl aws-iam status .*--watch`, "it does not end; test/plugin watches", pluginKnows},
	{`kubectl rollout status\b`, "no node runs pods", deployment},
	{`kubectl logs deployment/`, "no node runs pods", deployment},
	{`kubectl (wait|logs) job/`, "no node runs pods; test/integration runs the command uninstall", job},
	{`kubectl exec deployment/`, "no node runs pods", inContainer},
}

// dryMake sees that there is such a target.
func dryMake(t *testing.T, w *world, c command) {
	t.Helper()
	out, code := w.run(t, strings.Replace(c.text, "make ", "make -n ", 1))
	require.Zero(t, code, out)
}

// released sees that the files are some of a release.
func released(t *testing.T, w *world, c command) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(w.dir, "docs", "release.md"))
	require.NoError(t, err)
	names := regexp.MustCompile(`SHA256SUMS|dist/\S+`).FindAllString(c.text, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		assert.Contains(t, string(page), "`"+strings.TrimPrefix(name, "dist/")+"`")
	}
}

// imageNamed sees that it is the image's own file, or what the example installs.
func imageNamed(t *testing.T, w *world, c command) {
	t.Helper()
	if strings.Contains(c.text, "registry.example.com") {
		installs(t, w, regexp.MustCompile(`registry\.example\.com/\S+`).FindString(c.text))
	}
	if strings.Contains(c.text, ".tar") {
		makefile, err := os.ReadFile(filepath.Join(w.dir, "Makefile"))
		require.NoError(t, err)
		assert.Contains(t, string(makefile), regexp.MustCompile(`[a-z-]+\.tar`).FindString(c.text))
	}
}

// pushed sees that the example installs what is pushed.
func pushed(t *testing.T, w *world, c command) {
	t.Helper()
	dryMake(t, w, c)
	words := regexp.MustCompile(`IMAGE=(\S+) VERSION=(\S+)`).FindStringSubmatch(c.text)
	require.NotNil(t, words)
	installs(t, w, words[1]+":"+words[2])
}

// installs sees that the example installs an image.
func installs(t *testing.T, w *world, image string) {
	t.Helper()
	settings, err := os.ReadFile(filepath.Join(w.dir, "examples", "install", "kustomization.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, image)
	assert.Contains(t, string(settings), image)
}

// dockerfile sees that what is built from is at the top, and has all programs.
func dockerfile(t *testing.T, w *world, c command) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "Dockerfile"))
	require.NoError(t, err)
	assert.Contains(t, string(text), `ENTRYPOINT ["/kube-aws-iam-controller"]`)
	assert.Contains(t, string(text), "/credentials-server")
	assert.Contains(t, string(text), "/kubectl-aws_iam")
	installs(t, w, regexp.MustCompile(`registry\.example\.com/kube-aws-iam-controller:\S+`).FindString(c.text))
}

// template sees that the stack's parameters are those of the template.
func template(t *testing.T, w *world, c command) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, argument(t, c.text, "template-file")))
	require.NoError(t, err)
	parameters := declared(t, string(text))
	_, overrides, found := strings.Cut(c.text, "--parameter-overrides ")
	require.True(t, found)
	given := map[string]bool{}
	for override := range strings.FieldsSeq(overrides) {
		name, _, _ := strings.Cut(override, "=")
		given[name] = true
		assert.Contains(t, parameters, name)
	}
	for name, hasDefault := range parameters {
		assert.True(t, hasDefault || given[name], "%s has to be given", name)
	}
	assert.Equal(t, "CAPABILITY_NAMED_IAM", argument(t, c.text, "capabilities"))
}

// declared returns the parameters of a CloudFormation template, and whether they have a default.
func declared(t *testing.T, text string) map[string]bool {
	t.Helper()
	_, after, found := strings.Cut(text, "\nParameters:\n")
	require.True(t, found)
	within := regexp.MustCompile(`(?m)^[A-Z]`).Split(after, 2)[0]
	var read map[string]map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(within), &read))
	parameters := map[string]bool{}
	for name, parameter := range read {
		_, parameters[name] = parameter["Default"]
	}
	return parameters
}

// stack sees that it is the one that is deployed.
func stack(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Equal(t, "kube-aws-iam-controller-demo-cluster", argument(t, c.text, "stack-name"))
}

// association sees that it is the controller's that is associated, and without session tags.
func association(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Contains(t, c.text, " --disable-session-tags")
	assert.Contains(t, c.text, " --cluster-name demo-cluster")
	if strings.Contains(c.text, "create-") {
		assert.Equal(t, "kube-system", argument(t, c.text, "namespace"))
		assert.Equal(t, "kube-aws-iam-controller", argument(t, c.text, "service-account"))
	}
}

func hopLimit(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Equal(t, "1", argument(t, c.text, "http-put-response-hop-limit"))
	assert.Equal(t, "required", argument(t, c.text, "http-tokens"))
}

func identityPolicy(t *testing.T, _ *world, c command) {
	t.Helper()
	assert.Equal(t, "IDENTITY_POLICY", argument(t, c.text, "policy-type"))
	assert.Equal(t, "file://policy.json", argument(t, c.text, "policy-document"))
}

// operations sees that IAM has such operations with such parameters.
func operations(t *testing.T, _ *world, c command) {
	t.Helper()
	calls := regexp.MustCompile(`aws iam ([a-z-]+)((?:[^|;&)]|\\\n)*)`).FindAllStringSubmatch(c.text, -1)
	require.NotEmpty(t, calls)
	for _, call := range calls {
		method, found := reflect.TypeFor[*iam.Client]().MethodByName(camel(call[1]))
		require.True(t, found, call[1])
		for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(call[2], -1) {
			if flag[1] == "query" || flag[1] == "output" {
				continue
			}
			_, has := method.Type.In(2).Elem().FieldByName(camel(flag[1]))
			assert.True(t, has, "%s has no --%s", call[1], flag[1])
		}
	}
}

// camel turns a name of the AWS CLI into one of the SDK.
func camel(name string) string {
	var all strings.Builder
	for part := range strings.SplitSeq(name, "-") {
		if part == "id" {
			part = "ID"
		}
		all.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return strings.NewReplacer("OpenId", "OpenID", "ClientId", "ClientID").Replace(all.String())
}

// module sees that variables are those of the module, and all that it needs.
func module(t *testing.T, w *world, c command) {
	t.Helper()
	dir := regexp.MustCompile(`-chdir=(\S+)`).FindStringSubmatch(c.text)[1]
	text, err := os.ReadFile(filepath.Join(w.dir, dir, "main.tf"))
	require.NoError(t, err)
	given := map[string]bool{}
	for _, match := range regexp.MustCompile(`-var '?([a-z_]+)=`).FindAllStringSubmatch(c.text, -1) {
		given[match[1]] = true
	}
	variables := regexp.MustCompile(`(?ms)^variable "([a-z_]+)" \{\n(.*?)^\}`).FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, variables)
	for _, variable := range variables {
		needed := strings.Contains(c.text, " apply") && !regexp.MustCompile(`(?m)^ +default +=`).MatchString(variable[2])
		assert.True(t, given[variable[1]] || !needed, "%s has to be given", variable[1])
		delete(given, variable[1])
	}
	assert.Empty(t, given, "the module has no such variables")
}

// address sees that it is the one that the NetworkPolicy excepts as well.
func address(t *testing.T, w *world, c command) {
	t.Helper()
	policy, err := os.ReadFile(filepath.Join(w.dir, "examples", "node-metadata", "networkpolicy.yaml"))
	require.NoError(t, err)
	found := regexp.MustCompile(`-d (\S+)`).FindStringSubmatch(c.text)
	require.NotNil(t, found)
	assert.Contains(t, string(policy), found[1])
}

// release sees that the chart takes the values of a release. An upgrade has those of the installation.
func release(t *testing.T, w *world, c command) {
	t.Helper()
	r := chart.Release{Namespace: argument(t, c.text, "namespace"), Values: map[string]any{}}
	assert.Contains(t, c.text, " kube-aws-iam-controller ")
	if strings.HasPrefix(c.text, "helm test ") {
		return
	}
	if strings.HasPrefix(c.text, "helm upgrade ") {
		require.Regexp(t, ` --(reuse-values|values values\.yaml)`, c.text, "otherwise the values of the installation are lost")
		r.Values["clusterName"] = "demo-cluster"
	}
	assert.DirExists(t, filepath.Join(w.dir, strings.Fields(c.text)[3]))
	for _, set := range regexp.MustCompile(`--set (\S+)`).FindAllStringSubmatch(c.text, -1) {
		require.NoError(t, strvals.ParseInto(set[1], r.Values))
	}
	_, err := r.Render(t.Context())
	require.NoError(t, err)
}

// dryRun has the API server look at the pod.
func dryRun(t *testing.T, w *world, c command) {
	t.Helper()
	text := strings.NewReplacer(" --rm -i", "", " -- ", " --dry-run=server -- ").Replace(c.text)
	require.Contains(t, text, "--dry-run=server")
	w.succeeds(t, text)
}

// deployment sees that there is what the command names.
func deployment(t *testing.T, w *world, c command) {
	t.Helper()
	name := regexp.MustCompile(`deployment/\S+ --namespace \S+`).FindString(c.text)
	require.NotEmpty(t, name)
	w.succeeds(t, "kubectl get "+name)
}

// argument returns what follows a flag.
func argument(t *testing.T, text, flag string) string {
	t.Helper()
	found := regexp.MustCompile(`--` + flag + `[ =](\S+)`).FindStringSubmatch(text)
	require.NotNil(t, found, "--%s of %s", flag, text)
	return found[1]
}
