package config

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"kube-aws-iam-controller/internal/identity"
)

// ErrHelp is returned once the help that was requested has been printed.
var ErrHelp = errors.New("help was printed")

// Parse reads the command and its configuration from args and the environment. Help
// goes to stdout. Errors name the flag and say what to give.
func Parse(args []string, stdout io.Writer) (Command, Config, error) {
	var c Config
	app := newApp(stdout, &c)
	helped := false
	app.Terminate(func(int) { helped = true })

	command, err := parseArgs(app, args)
	switch {
	case helped:
		return "", Config{}, ErrHelp
	case err != nil:
		return "", Config{}, fmt.Errorf("%w, see --help", err)
	}
	if command == Version || c.version {
		return Version, c, nil
	}
	return command, c, errors.Join(checkEnvironment(app), c.Validate(), checkCommand(command, c))
}

func parseArgs(app *kingpin.Application, args []string) (Command, error) {
	args = spellOutChoices(args)
	if err := checkFlags(app, args); err != nil {
		return "", err
	}
	args, err := spellOutBooleans(app, args)
	if err == nil {
		args, err = withDefaultCommand(app, args)
	}
	if err != nil {
		return "", withCommand(app, args, err)
	}
	command, err := app.Parse(args)
	return Command(command), withCommand(app, args, err)
}

// checkCommand checks the flags that a command requires. A trust policy with the
// external ID of a controller without a cluster name is most likely a mistake.
func checkCommand(command Command, c Config) error {
	if command == TrustPolicy && c.ClusterName == "" {
		return flagError("cluster-name", fmt.Errorf(
			"%s needs the name that the controller runs with: roles have to ask for the external ID <namespace>/<cluster name>", command))
	}
	return nil
}

func newApp(stdout io.Writer, c *Config) *kingpin.Application {
	app := kingpin.New("kube-aws-iam-controller", "Issues credentials of AWS IAM roles to Kubernetes ServiceAccounts, in Secrets that it keeps fresh.")
	app.UsageWriter(stdout).ErrorWriter(stdout)
	app.HelpFlag.Short('h')
	commands(app, c)
	app.Flag("version", "Print the version.").BoolVar(&c.version)
	kingpins := len(app.Model().Flags)
	clusterFlags(app, c)
	awsFlags(app, c)
	tenantFlags(app, c)
	roleFlags(app, c)
	podFlags(app, c)
	processFlags(app, c)
	for _, flag := range app.Model().Flags[kingpins:] {
		app.GetFlag(flag.Name).Envar(envName(flag.Name)).SetValue(setting{Value: flag.Value, flag: flag.Name})
	}
	return app
}

func commands(app *kingpin.Application, c *Config) {
	app.Command(string(Controller), "Run the controller. This is the default.")
	app.Command(string(Version), "Print the version.")
	trustPolicy := app.Command(string(TrustPolicy), "Print the trust policy, as JSON, of a role that a namespace or one of its ServiceAccounts may use.")
	trustPolicy.Arg("namespace", "The namespace.").Required().StringVar(&c.TrustedNamespace)
	trustPolicy.Arg("serviceaccount", "The ServiceAccount. By default all in the namespace may use the role.").StringVar(&c.TrustedServiceAccount)
}

// withDefaultCommand inserts the controller command if args name none. Kingpin's own
// default command ignores a last flag without its value, instead of failing.
func withDefaultCommand(app *kingpin.Application, args []string) ([]string, error) {
	context, err := app.ParseContext(args)
	if err != nil || context.SelectedCommand != nil {
		return args, err
	}
	for _, element := range context.Elements {
		if element.Clause == app.HelpFlag {
			return args, nil // help on all commands, not only on the default one
		}
	}
	return append([]string{string(Controller)}, args...), nil
}

func clusterFlags(app *kingpin.Application, c *Config) {
	app.Flag("cluster-name", "Name of this cluster; external IDs are <namespace>/<cluster name>. Must be unique among the clusters that use the same AWS accounts.").
		StringVar(&c.ClusterName)
	app.Flag("namespace", "Serve one namespace only.").StringVar(&c.Namespace)
	app.Flag("kubeconfig", "Path of a kubeconfig file. By default the Pod's ServiceAccount is used.").StringVar(&c.Kubeconfig)
	app.Flag("apiserver", "URL of an API server that requires no credentials, such as kubectl proxy.").StringVar(&c.APIServer)
	app.Flag("kube-api-qps", "API server requests per second; bursts up to twice that.").Default("800").Float64Var(&c.KubeAPIQPS)
	app.Flag("leader-elect", "Work only while holding a Lease. Required for more than one replica.").BoolVar(&c.LeaderElect)
	app.Flag("leader-elect-name", "Name of the Lease. Controllers that serve different namespaces need different Leases.").
		Default("kube-aws-iam-controller").StringVar(&c.LeaderElectName)
	app.Flag("leader-elect-namespace", "Namespace of the Lease. The default is the Pod's namespace.").StringVar(&c.LeaderElectNamespace)
}

func awsFlags(app *kingpin.Application, c *Config) {
	app.Flag("base-role-arn", "Prefix of the ARNs of roles given by name, such as arn:aws:iam::123456789012:role/. The default is the account of the controller.").
		StringVar(&c.BaseRoleARN)
	app.Flag("assume-role", "Role (name, path/name or ARN) to assume first; all other roles are assumed with its credentials.").StringVar(&c.AssumeRole)
	app.Flag("controller-role-arn", "ARN of the controller's own role, if AWS does not report it. Only objects in the controller's own namespace can use this role.").StringVar(&c.ControllerRoleARN)
	app.Flag("credentials-file", "File with the controller's own credentials, in the output format of a credential_process. Reloaded when it changes.").
		StringVar(&c.CredentialsFile)
	app.Flag("session-tags", "Pass kubernetes-cluster, kubernetes-namespace and kubernetes-service-account as session tags. Trust policies must allow sts:TagSession.").
		BoolVar(&c.SessionTags)
	app.Flag("allow-source-identity", "Have the trust policies of managed roles, and those that trust-policy prints, allow sts:SetSourceIdentity. Needed if the controller's own session has a source identity, as with IAM Roles Anywhere.").
		BoolVar(&c.AllowSourceIdentity)
	app.Flag("sts-qps", "STS requests per second; bursts up to twice that.").Default("250").Float64Var(&c.STSQPS)
	app.Flag("refresh-limit", "Renew credentials that expire in less than this, or in less than a third of their session if that is shorter.").
		Default("20m").DurationVar(&c.RefreshLimit)
}

func tenantFlags(app *kingpin.Application, c *Config) {
	app.Flag("namespace-restrictions", "Deny roles that no annotation of the namespace permits. Without this flag, a namespace that has neither iam.amazonaws.com/allowed-roles nor iam.amazonaws.com/permitted may use any role. The annotations always apply.").
		BoolVar(&c.NamespaceRestrictions)
	app.Flag(externalIDChoice.flag, "Use an existing role only if it refuses a wrong external ID, which is checked before its first use and daily: off, other-accounts (ServiceAccounts' roles in other accounts) or all.").
		Default(string(identity.CheckOtherAccounts)).SetValue(choiceValue[identity.ExternalIDCheck]{externalIDChoice, &c.RequireExternalID})
	irsaFlag(app, c)
}

func roleFlags(app *kingpin.Application, c *Config) {
	app.Flag("permissions-boundary", "ARN of the permissions boundary of all managed roles. Required for managed roles.").
		StringVar(&c.PermissionsBoundary)
	app.Flag("allow-roles-without-boundary", "Allow managed roles without a permissions boundary. Whoever can annotate a ServiceAccount can then give it any permission in the account.").
		BoolVar(&c.AllowRolesWithoutBoundary)
	app.Flag("role-path", "Path of managed roles, such as /teams/. The default is /kube-aws-iam-controller/<cluster name>/.").StringVar(&c.RolePath)
	app.Flag("role-tags", "Additional tags of managed roles: key=value,key=value.").
		SetValue((*tagsValue)(&c.RoleTags))
	app.Flag("max-roles-per-namespace", "Maximum number of managed roles per namespace, including retained ones; 0 for no limit.").
		Default("100").IntVar(&c.MaxRolesPerNamespace)
	app.Flag("adopt-roles-of-cluster-uid", "UID of the Namespace kube-system of the cluster that this one replaces under the same name: its managed roles are adopted.").
		StringVar(&c.AdoptRolesOfClusterUID)
	app.Flag("drift-interval", "How often managed roles are checked for changes by others; 0 for never.").
		Default("1h").DurationVar(&c.DriftInterval)
	app.Flag("orphan-sweep-interval", "How often managed roles that are no longer needed are searched for; 0 for never.").
		Default("6h").DurationVar(&c.OrphanSweepInterval)
	app.Flag("role-ready-timeout", "How long a new role may take until it can be assumed, before a warning is issued.").
		Default("2m").DurationVar(&c.RoleReadyTimeout)
	validatePoliciesFlag(app, c)
	app.Flag("iam-qps", "IAM requests per second; bursts up to twice that.").Default("20").Float64Var(&c.IAMQPS)
}

func podFlags(app *kingpin.Application, c *Config) {
	app.Flag("webhook-listen-address", "Address of the webhook that injects credentials into pods, such as :8443. Disabled by default.").StringVar(&c.WebhookListenAddress)
	app.Flag("webhook-cert-file", "File with the webhook's certificate. By default the controller issues one itself.").StringVar(&c.WebhookCertFile)
	app.Flag("webhook-key-file", "File with the key of the webhook's certificate.").StringVar(&c.WebhookKeyFile)
	app.Flag("webhook-client-ca-file", "File with the CA certificates of the API servers' client certificates. If set, the webhook requires a client certificate.").
		StringVar(&c.WebhookClientCAFile)
	app.Flag("webhook-client-names", "Common names of the accepted client certificates, separated by commas. By default all that the CAs signed are accepted.").
		SetValue((*namesValue)(&c.WebhookClientNames))
	app.Flag("default-region", "AWS Region of pods whose ServiceAccount names none, and value of $(region) in its annotations.").StringVar(&c.DefaultRegion)
	app.Flag("credentials-server-image", "Image of the sidecar for pods with iam.amazonaws.com/delivery=endpoint; use the controller's own image. Without it, such pods are refused.").
		StringVar(&c.SidecarImage)
	app.Flag("credentials-server-image-pull-policy", "Pull policy of the sidecar's image: Always, IfNotPresent or Never. The default is the API server's.").
		StringVar((*string)(&c.SidecarPullPolicy))
	app.Flag("credentials-server-requests", "Resource requests of the sidecar, adapted to the pod: name=quantity,name=quantity, or none.").
		Default(defaultSidecarRequests).SetValue((*resourcesValue)(&c.SidecarRequests))
	app.Flag("credentials-server-limits", "Resource limits of the sidecar, in the same format.").
		Default(defaultSidecarLimits).SetValue((*resourcesValue)(&c.SidecarLimits))
	app.Flag("credentials-server-security-context", "Numeric and boolean fields of the sidecar's security context, such as runAsUser=65532,runAsGroup=65532, or none for the defaults.").
		Default(nothing).SetValue((*securityContextValue)(&c.SidecarSecurityContext))
}

func processFlags(app *kingpin.Application, c *Config) {
	app.Flag("debug", "Log at level debug.").BoolVar(&c.Debug)
	app.Flag("log-format", "Log format: logfmt or json.").Default("logfmt").EnumVar(&c.LogFormat, "logfmt", "json")
	app.Flag("listen-address", "Address of /healthz, /readyz and /metrics. Metrics that name namespaces and ServiceAccounts are left out there, see --insecure-identity-metrics.").Default(":8080").StringVar(&c.ListenAddress)
	app.Flag("metrics-secure-listen-address", "Address of /metrics over HTTPS, such as :8444, for clients with RBAC permission to get /metrics. /metrics is then not served at --listen-address. Disabled by default.").
		StringVar(&c.MetricsSecureListenAddress)
	app.Flag("metrics-cert-file", "File with the certificate of /metrics over HTTPS. The default is a self-signed one.").StringVar(&c.MetricsCertFile)
	app.Flag("metrics-key-file", "File with the key of the certificate of /metrics.").StringVar(&c.MetricsKeyFile)
	app.Flag("insecure-identity-metrics", "Serve the metrics that name namespaces, ServiceAccounts and AWSIAMRoles at --listen-address as well, without authentication. For where only Prometheus can reach that address.").
		BoolVar(&c.InsecureIdentityMetrics)
	app.Flag("workers", "How many identities are synced at once, not counting those that need IAM.").Default("30").IntVar(&c.Workers)
	app.Flag("interval", "Ignored: nothing is polled.").Hidden().Default("10s").DurationVar(&c.Interval)
	app.Flag("event-queue-size", "Ignored: there is no queue of events.").Hidden().IntVar(&c.EventQueueSize)
}
