package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"kube-aws-iam-controller/internal/identity"
)

func parse(t *testing.T, args ...string) (Command, Config, error) {
	t.Helper()
	var out bytes.Buffer
	return Parse(args, &out)
}

// The sidecar's resources, unless the installation says otherwise.
var (
	requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5m"), corev1.ResourceMemory: resource.MustParse("16Mi")}
	limits   = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("32Mi")}
)

func TestDefaults(t *testing.T) {
	command, c, err := parse(t)
	require.NoError(t, err)
	assert.Equal(t, Controller, command)
	assert.Equal(t, Config{
		LogFormat: "logfmt", KubeAPIQPS: 800, STSQPS: 250, IAMQPS: 20, MaxRolesPerNamespace: 100, DriftInterval: time.Hour, OrphanSweepInterval: 6 * time.Hour, RoleReadyTimeout: 2 * time.Minute, RefreshLimit: 20 * time.Minute, Workers: 30,
		ListenAddress: ":8080", Interval: 10 * time.Second, SidecarRequests: requests, LeaderElectName: "kube-aws-iam-controller", RequireExternalID: identity.CheckOtherAccounts, IRSAAnnotations: IgnoreIRSA, SidecarLimits: limits,
	}, c)
}

func TestFlagsOfThePredecessorAreAccepted(t *testing.T) {
	command, c, err := parse(t, "--debug", "--interval=1m", "--event-queue-size=20", "--refresh-limit=15m",
		"--base-role-arn=arn:aws:iam::123456789012:role/", "--assume-role=controller", "--namespace=kube-system",
		"--apiserver=http://127.0.0.1:8001")
	require.NoError(t, err)
	assert.Equal(t, Controller, command)
	assert.True(t, c.Debug)
	assert.Equal(t, 15*time.Minute, c.RefreshLimit)
	assert.Equal(t, "arn:aws:iam::123456789012:role/", c.BaseRoleARN)
	assert.Equal(t, "controller", c.AssumeRole)
	assert.Equal(t, "kube-system", c.Namespace)
	assert.Equal(t, "http://127.0.0.1:8001", c.APIServer)

	_, c, err = parse(t, "--no-debug")
	require.NoError(t, err)
	assert.False(t, c.Debug)
}

func TestEveryFlagIsAlsoAnEnvironmentVariable(t *testing.T) {
	for name, value := range map[string]string{
		"DEBUG": "true", "CLUSTER_NAME": "prod", "REFRESH_LIMIT": "10m", "STS_QPS": "1.5", "WORKERS": "3",
		"LEADER_ELECT": "true", "LEADER_ELECT_NAMESPACE": "infra", "LOG_FORMAT": "json", "SESSION_TAGS": "true",
		"CREDENTIALS_FILE": "/creds", "KUBECONFIG": "/kube",
	} {
		t.Setenv("KUBE_AWS_IAM_"+name, value)
	}
	_, c, err := parse(t, "--cluster-name=flag-wins")
	require.NoError(t, err)
	assert.Equal(t, Config{
		Debug: true, ClusterName: "flag-wins", RefreshLimit: 10 * time.Minute, STSQPS: 1.5, Workers: 3, LeaderElect: true,
		LeaderElectNamespace: "infra", LogFormat: "json", SessionTags: true, CredentialsFile: "/creds", Kubeconfig: "/kube",
		KubeAPIQPS: 800, ListenAddress: ":8080", Interval: 10 * time.Second, SidecarRequests: requests, LeaderElectName: "kube-aws-iam-controller", RequireExternalID: identity.CheckOtherAccounts, IRSAAnnotations: IgnoreIRSA, SidecarLimits: limits, IAMQPS: 20, MaxRolesPerNamespace: 100, DriftInterval: time.Hour, OrphanSweepInterval: 6 * time.Hour, RoleReadyTimeout: 2 * time.Minute,
	}, c)
}

func TestUnknownVariableIsAnError(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_CLUSTERNAME", "prod")
	_, _, err := parse(t)
	assert.ErrorContains(t, err, "KUBE_AWS_IAM_CLUSTERNAME")
}

func TestServiceVariablesAreIgnored(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_CONTROLLER_SERVICE_HOST", "10.0.0.1")
	t.Setenv("KUBE_AWS_IAM_CONTROLLER_PORT", "tcp://10.0.0.1:8080")
	t.Setenv("KUBE_AWS_IAM_CONTROLLER_PORT_8080_TCP_ADDR", "10.0.0.1")
	_, _, err := parse(t)
	assert.NoError(t, err)
}

func TestErrorsNameTheInvalidFlag(t *testing.T) {
	tests := map[string]struct{ arg, want string }{
		"a flag that does not exist":          {"--no-such", "no-such"},
		"an argument":                         {"run", "run"},
		"a flag without its value":            {"--workers", "--workers"},
		"a duration without unit":             {"--refresh-limit=20", `--refresh-limit (KUBE_AWS_IAM_REFRESH_LIMIT): invalid value "20": expected a duration`},
		"a negative duration":                 {"--refresh-limit=-1m", "--refresh-limit (KUBE_AWS_IAM_REFRESH_LIMIT): -1m0s is out of bounds"},
		"a cluster name with a slash":         {"--cluster-name=a/b", `--cluster-name (KUBE_AWS_IAM_CLUSTER_NAME): cluster name "a/b"`},
		"a cluster name too long":             {"--cluster-name=" + strings.Repeat("a", 101), "1 to 100 letters"},
		"a cluster name that starts oddly":    {"--cluster-name=-a", "cluster-name"},
		"no workers":                          {"--workers=0", "--workers (KUBE_AWS_IAM_WORKERS): 0 is out of bounds"},
		"too many workers":                    {"--workers=100000", "out of bounds"},
		"words for workers":                   {"--workers=many", `--workers (KUBE_AWS_IAM_WORKERS): invalid value "many": expected a whole number`},
		"a fraction of a worker":              {"--workers=1.9", `invalid value "1.9": expected a whole number`},
		"a switch set to a word":              {"--debug=yes", `--debug (KUBE_AWS_IAM_DEBUG): invalid value "yes": expected true or false`},
		"a namespace that cannot be":          {"--namespace=Foo/Bar", `--namespace (KUBE_AWS_IAM_NAMESPACE): "Foo/Bar" is not a namespace`},
		"a Lease's namespace that cannot be":  {"--leader-elect-namespace=_", "--leader-elect-namespace"},
		"a Lease's name that cannot be":       {"--leader-elect-name=A b", `--leader-elect-name (KUBE_AWS_IAM_LEADER_ELECT_NAME): "A b" is not the name of a Lease`},
		"a rate of nothing":                   {"--sts-qps=0", "--sts-qps"},
		"a rate that is no number":            {"--sts-qps=NaN", "--sts-qps"},
		"an endless rate":                     {"--kube-api-qps=Inf", "--kube-api-qps"},
		"a base role that is a role":          {"--base-role-arn=arn:aws:iam::123456789012:user/", "--base-role-arn"},
		"an intermediate role that is a user": {"--assume-role=arn:aws:iam::123456789012:user/x", "--assume-role"},
		"a controller's role without account": {"--controller-role-arn=controller", "is not an ARN"},
		"an API server without scheme":        {"--apiserver=127.0.0.1:8001", "--apiserver"},
		"an API server over FTP":              {"--apiserver=ftp://127.0.0.1:8001", "is not a URL"},
		"client names without a CA":           {"--webhook-client-names=a", "without --webhook-client-ca-file"},
		"an empty client name":                {"--webhook-client-names=a,", "a name is empty"},
		"an address without port":             {"--listen-address=127.0.0.1", "--listen-address"},
		"an address with an empty port":       {"--listen-address=:", "--listen-address"},
		"a webhook without port":              {"--webhook-listen-address=webhook", "--webhook-listen-address"},
		"a certificate without key":           {"--webhook-cert-file=tls.crt", "must be set together with --webhook-key-file"},
		"metrics without port":                {"--metrics-secure-listen-address=metrics", "--metrics-secure-listen-address"},
		"metrics' certificate without key":    {"--metrics-cert-file=tls.crt", "must be set together with --metrics-key-file"},
		"a Region that is none":               {"--default-region=Frankfurt", "--default-region"},
		"an unknown log format":               {"--log-format=xml", "--log-format (KUBE_AWS_IAM_LOG_FORMAT): enum value must be one of logfmt,json, got 'xml'"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := parse(t, tc.arg)
			assert.ErrorContains(t, err, tc.want)
		})
	}
}

func TestErrorsNameTheInvalidVariable(t *testing.T) {
	for name, value := range map[string]string{
		"WORKERS": "many", "DEBUG": "yes", "LOG_FORMAT": "xml", "REFRESH_LIMIT": "20", "STS_QPS": "fast", "CLUSTER_NAME": "a/b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBE_AWS_IAM_"+name, value)
			_, _, err := parse(t)
			require.ErrorContains(t, err, "KUBE_AWS_IAM_"+name)
			assert.ErrorContains(t, err, value)
		})
	}
}

func TestEmptyVariableIsIgnored(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_WORKERS", "")
	_, c, err := parse(t)
	require.NoError(t, err)
	assert.Equal(t, 30, c.Workers)
}

func TestFlagsOfKingpinAreNoVariables(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_COMPLETION_BASH", "1")
	_, _, err := parse(t)
	assert.ErrorContains(t, err, "KUBE_AWS_IAM_COMPLETION_BASH: there is no such setting")
}

func TestFlagsMayPrecedeOrFollowTheCommand(t *testing.T) {
	for name, args := range map[string][]string{
		"no command":           {"--debug", "--workers=3"},
		"the command in front": {"controller", "--debug", "--workers", "3"},
		"the command behind":   {"--debug", "--workers", "3", "controller"},
	} {
		t.Run(name, func(t *testing.T) {
			command, c, err := parse(t, args...)
			require.NoError(t, err)
			assert.Equal(t, Controller, command)
			assert.True(t, c.Debug)
			assert.Equal(t, 3, c.Workers)
		})
	}
}

func TestBooleanFlagsAcceptAValue(t *testing.T) {
	_, c, err := parse(t, "--debug=true", "--leader-elect=false")
	require.NoError(t, err)
	assert.True(t, c.Debug)
	assert.False(t, c.LeaderElect)

	t.Setenv("KUBE_AWS_IAM_LEADER_ELECT", "true")
	_, c, err = parse(t, "--leader-elect=false")
	require.NoError(t, err)
	assert.False(t, c.LeaderElect, "a flag wins over its variable")
}

func TestPasswordInAURLIsNotRepeated(t *testing.T) {
	_, _, err := parse(t, "--apiserver=http://user:hunter2@host:x")
	require.ErrorContains(t, err, "--apiserver")
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestAllErrorsAreReportedAtOnce(t *testing.T) {
	_, _, err := parse(t, "--workers=0", "--sts-qps=0")
	require.ErrorContains(t, err, "--workers")
	assert.ErrorContains(t, err, "--sts-qps")
}

func TestHelpIsPrinted(t *testing.T) {
	var out bytes.Buffer
	_, _, err := Parse([]string{"--help"}, &out)
	require.ErrorIs(t, err, ErrHelp)
	assert.Contains(t, out.String(), "--cluster-name")
	assert.Contains(t, out.String(), "Print the version.", "it is the help of all commands")
	assert.NotContains(t, out.String(), "--interval", "what has no effect is not advertised")
}

func TestHelpIgnoresInvalidVariables(t *testing.T) {
	t.Setenv("KUBE_AWS_IAM_CLUSTERNAME", "prod")
	t.Setenv("KUBE_AWS_IAM_WORKERS", "many")
	_, _, err := parse(t, "--help")
	assert.ErrorIs(t, err, ErrHelp, "the error says where to look: there")
}

func TestHelpOfACommand(t *testing.T) {
	var out bytes.Buffer
	_, _, err := Parse([]string{"version", "--help"}, &out)
	require.ErrorIs(t, err, ErrHelp)
	assert.Contains(t, out.String(), "Print the version.")
	assert.NotContains(t, out.String(), "Run the controller.")
}

func TestVersionNeedsNoValidConfiguration(t *testing.T) {
	command, _, err := parse(t, "version", "--workers=0")
	require.NoError(t, err)
	assert.Equal(t, Version, command)
}

func TestTrustPolicyTakesANamespace(t *testing.T) {
	command, c, err := parse(t, "trust-policy", "team-a", "--cluster-name=prod")
	require.NoError(t, err)
	assert.Equal(t, TrustPolicy, command)
	assert.Equal(t, "team-a", c.TrustedNamespace)
	_, _, err = parse(t, "trust-policy")
	require.ErrorContains(t, err, "namespace")
	_, _, err = parse(t, "trust-policy", "Team/A")
	require.ErrorContains(t, err, `the argument of trust-policy: "Team/A" is not a namespace`)
}

func manyTags(n int) string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprintf("tag-%d=x", i))
	}
	return strings.Join(pairs, ",")
}

func TestManagedRoleSettings(t *testing.T) {
	_, c, err := parse(t, "--permissions-boundary=arn:aws:iam::123456789012:policy/b", "--role-path=/teams/", "--role-tags=cost=1, team = a b,empty=", "--iam-qps=5", "--role-ready-timeout=1m")
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:iam::123456789012:policy/b", c.PermissionsBoundary)
	assert.Equal(t, map[string]string{"cost": "1", "team": "a b", "empty": ""}, c.RoleTags)
	for flag, says := range map[string]string{
		"--permissions-boundary=b": `"b" is not the ARN of a managed policy`,
		"--permissions-boundary=arn:aws:iam::aws:policy/a,arn:aws:iam::aws:policy/b": "the ARN of one managed policy",
		"--role-path=teams":                     `"teams" is not a path`,
		"--role-path=/teams":                    "begins and ends with a slash",
		"--role-tags=cost":                      `"cost" is not a tag`,
		"--role-tags=a!=b":                      `"a!" is not the key of a tag`,
		"--role-tags=AWS:x=b":                   "is not the key of a tag",
		"--role-tags=a=b!":                      `the value of the tag "a"`,
		"--role-tags=Managed-By=me":             `the tag "Managed-By" is the controller's own`,
		"--role-tags=Kubernetes-Cluster-UID=me": `the tag "Kubernetes-Cluster-UID" is the controller's own`,
		"--max-roles-per-namespace=-1":          "-1 is out of bounds",
		"--max-roles-per-namespace=all":         `invalid value "all": expected a whole number`,
		"--adopt-roles-of-cluster-uid=prod":     `"prod" is not the UID of a Namespace: expected what kubectl get namespace kube-system`,
		"--role-tags=a=1,A=2":                   `the tag "a" is given twice`,
		"--role-tags=" + manyTags(41):           "41 tags are too many",
		// Forms of a UID that uuid.Parse takes and Kubernetes does not write.
		"--adopt-roles-of-cluster-uid={f47ac10b-58cc-0372-8567-0e02b2c3d479}": "is not the UID of a Namespace",
		"--iam-qps=0":             "out of bounds",
		"--role-ready-timeout=2h": "out of bounds",
	} {
		_, _, err = parse(t, flag)
		require.ErrorContains(t, err, says, flag)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"--debug", "version", "--workers=1", "--cluster-name=a/b", "--", "--apiserver=%", "-- --debug=true", "--workers",
		"--no-debug=true", "--=true", "controller --base-role-arn=arn:aws:iam::1:role/", "--workers 3 controller", "--sts-qps=1e400",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "@") {
			return // kingpin would read a file of that name
		}
		var out bytes.Buffer
		command, c, err := Parse(strings.Fields(line), &out)
		if err == nil && command == Controller {
			require.NoError(t, c.Validate())
			assert.Positive(t, c.Workers)
			assert.Positive(t, c.RefreshLimit)
		}
	})
}

func TestEveryFlagIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference.md")
	require.NoError(t, err)
	for _, flag := range newApp(io.Discard, &Config{}).Model().Flags {
		if flag.Envar == "" {
			continue // kingpin's own
		}
		if !strings.Contains(string(text), "`--"+flag.Name+"`") {
			t.Errorf("--%s is not documented", flag.Name)
		}
		if value := strings.Join(flag.Default, ""); value != "" && !flag.Hidden {
			assert.Regexp(t, "`--"+flag.Name+"` \\| `?"+regexp.QuoteMeta(value)+"`? \\|", string(text))
		}
	}
}

func TestSidecarSettings(t *testing.T) {
	_, c, err := parse(t, "--credentials-server-image-pull-policy=Always", "--credentials-server-requests= cpu=50m, memory = 64Mi ",
		"--credentials-server-limits=none", "--credentials-server-security-context=runAsUser=1000,privileged=false")
	require.NoError(t, err)
	assert.Equal(t, corev1.PullAlways, c.SidecarPullPolicy)
	assert.Equal(t, corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
	}, c.SidecarRequests)
	assert.Empty(t, c.SidecarLimits)
	assert.Equal(t, corev1.SecurityContext{RunAsUser: new(int64(1000)), Privileged: new(false)}, c.SidecarSecurityContext)

	t.Setenv("KUBE_AWS_IAM_CREDENTIALS_SERVER_SECURITY_CONTEXT", "")
	t.Setenv("KUBE_AWS_IAM_CREDENTIALS_SERVER_LIMITS", "")
	_, c, err = parse(t)
	require.NoError(t, err)
	assert.Equal(t, limits, c.SidecarLimits, "a variable that is empty is not set")
	assert.Equal(t, corev1.SecurityContext{}, c.SidecarSecurityContext)

	for flag, says := range map[string]string{
		"--credentials-server-image-pull-policy=always":              `"always" is not a pull policy: expected Always, IfNotPresent or Never`,
		"--credentials-server-requests=cpu":                          `"cpu" is not name=value`,
		"--credentials-server-requests=cpu=1,cpu=2":                  `"cpu=2" is not name=value, or is a duplicate`,
		"--credentials-server-requests=cpu=much":                     `"cpu=much" is not an amount of a resource: expected for example cpu=100m,memory=32Mi, or none`,
		"--credentials-server-limits=cpu=-1":                         `"cpu=-1" is not an amount`,
		"--credentials-server-limits=cpu=1m":                         "1m of cpu is less than the request of 5m",
		"--credentials-server-security-context=runAsUser=root":       `"runAsUser=root" is not understood`,
		"--credentials-server-security-context=runAsRoot=true":       "for any of allowPrivilegeEscalation, privileged, readOnlyRootFilesystem, runAsGroup, runAsNonRoot, runAsUser",
		"--credentials-server-security-context=privileged":           `"privileged" is not name=value`,
		"--credentials-server-security-context=runAsUser=0x10":       "is not understood",
		"--credentials-server-security-context=capabilities={}":      "is not understood",
		"--credentials-server-security-context=runAsUser=9999999999": "",
	} {
		_, _, err = parse(t, flag)
		if says == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, says, flag)
		require.ErrorContains(t, err, strings.SplitN(flag, "=", 2)[0])
	}
}
