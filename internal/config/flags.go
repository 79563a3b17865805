package config

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kingpin/v2"

	"kube-aws-iam-controller/internal/identity"
)

// ErrHelp says that help was asked for and has been printed.
var ErrHelp = errors.New("help was printed")

// Parse reads the command and its configuration from args and the
// environment. Help goes to stdout. Errors name the flag and the remedy.
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
	args = spellOutCheck(args)
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

// checkCommand finds what a command lacks. The external ID of a controller that
// has no cluster name is nothing to build trust on by mistake.
func checkCommand(command Command, c Config) error {
	if command == TrustPolicy && c.ClusterName == "" {
		return flagError("cluster-name", errors.New(
			"trust-policy needs the name that the controller runs with: roles have to ask for the external ID <namespace>/<cluster name>"))
	}
	return nil
}

func newApp(stdout io.Writer, c *Config) *kingpin.Application {
	app := kingpin.New("kube-aws-iam-controller", "Gives Kubernetes ServiceAccounts credentials of AWS IAM roles, in Secrets that are kept fresh.")
	app.UsageWriter(stdout).ErrorWriter(stdout)
	app.HelpFlag.Short('h')
	app.Command(string(Controller), "Run the controller. This is the default.")
	app.Command(string(Version), "Print the version.")
	trustPolicy := app.Command(string(TrustPolicy), "Print, as JSON, the trust policy of a role that a namespace is to use, or one ServiceAccount alone.")
	trustPolicy.Arg("namespace", "The namespace.").Required().StringVar(&c.TrustedNamespace)
	trustPolicy.Arg("serviceaccount", "The ServiceAccount. The default is every one of the namespace.").StringVar(&c.TrustedServiceAccount)
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

// withDefaultCommand puts the controller command in front where args name
// none. Kingpin's own default command is not used: with it, a flag at the end
// that lacks its value is taken for none at all, without an error.
func withDefaultCommand(app *kingpin.Application, args []string) ([]string, error) {
	context, err := app.ParseContext(args)
	if err != nil || context.SelectedCommand != nil {
		return args, err
	}
	for _, element := range context.Elements {
		if element.Clause == app.HelpFlag {
			return args, nil // on all commands, not on the default one
		}
	}
	return append([]string{string(Controller)}, args...), nil
}

func clusterFlags(app *kingpin.Application, c *Config) {
	app.Flag("cluster-name", "Name of this cluster: external IDs are <namespace>/<cluster name>. Has to be unique among the clusters that use the same AWS accounts.").
		StringVar(&c.ClusterName)
	app.Flag("namespace", "Limit the controller to one namespace.").StringVar(&c.Namespace)
	app.Flag("kubeconfig", "Path of a kubeconfig file. The default is the Pod's own ServiceAccount.").StringVar(&c.Kubeconfig)
	app.Flag("apiserver", "URL of an API server that asks for no credentials, such as kubectl proxy.").StringVar(&c.APIServer)
	app.Flag("kube-api-qps", "Most requests a second of the process to the API server; twice as many for a moment.").Default("800").Float64Var(&c.KubeAPIQPS)
	app.Flag("leader-elect", "Work only while holding the Lease. For more than one replica.").BoolVar(&c.LeaderElect)
	app.Flag("leader-elect-name", "Name of the Lease. Controllers of different namespaces whose Leases are in one namespace need one each.").
		Default("kube-aws-iam-controller").StringVar(&c.LeaderElectName)
	app.Flag("leader-elect-namespace", "Namespace of the Lease. The default is the Pod's own.").StringVar(&c.LeaderElectNamespace)
}

func awsFlags(app *kingpin.Application, c *Config) {
	app.Flag("base-role-arn", "Where role names are looked up, such as arn:aws:iam::123456789012:role/. The default is the account the controller runs in.").
		StringVar(&c.BaseRoleARN)
	app.Flag("assume-role", "Role (name, path/name or ARN) to assume first, and to assume all others with.").StringVar(&c.AssumeRole)
	app.Flag("controller-role-arn", "ARN of the controller's own role, where AWS does not tell. It is never handed out.").StringVar(&c.ControllerRoleARN)
	app.Flag("credentials-file", "File with the controller's own credentials, as a credential_process prints them. Read again whenever it changes.").
		StringVar(&c.CredentialsFile)
	app.Flag("session-tags", "Pass kubernetes-cluster, kubernetes-namespace and kubernetes-service-account as session tags. Trust policies have to allow sts:TagSession.").
		BoolVar(&c.SessionTags)
	app.Flag("sts-qps", "Most requests a second to STS; twice as many for a moment.").Default("250").Float64Var(&c.STSQPS)
	app.Flag("refresh-limit", "Renew credentials when less than this is left of them, at the most a third of their session.").
		Default("20m").DurationVar(&c.RefreshLimit)
}

func tenantFlags(app *kingpin.Application, c *Config) {
	app.Flag("namespace-restrictions", "Let a namespace use no role unless its annotations iam.amazonaws.com/allowed-roles, iam.amazonaws.com/permitted or iam.amazonaws.com/managed-roles say which.").
		BoolVar(&c.NamespaceRestrictions)
	app.Flag(checkFlag, "Use an existing role only if STS refuses a wrong external ID for it, which is tried before its first use and daily: off, other-accounts (roles of ServiceAccounts in other accounts) or all.").
		Default(string(identity.CheckOtherAccounts)).SetValue((*checkValue)(&c.RequireExternalID))
}

func roleFlags(app *kingpin.Application, c *Config) {
	app.Flag("permissions-boundary", "ARN of the managed policy that bounds every role that is made. Without it none are made.").
		StringVar(&c.PermissionsBoundary)
	app.Flag("allow-roles-without-boundary", "Make roles also without a permissions boundary: whoever can annotate a ServiceAccount can then give it any permission in the account.").
		BoolVar(&c.AllowRolesWithoutBoundary)
	app.Flag("role-path", "Path of the roles that are made, such as /teams/. The default is /kube-aws-iam-controller/<cluster name>/.").StringVar(&c.RolePath)
	app.Flag("role-tags", "Tags for the roles that are made, besides those that make them the controller's: key=value,key=value.").
		SetValue((*tagsValue)(&c.RoleTags))
	app.Flag("max-roles-per-namespace", "Most roles that are made for one namespace, retained ones among them; 0 for any number.").
		Default("100").IntVar(&c.MaxRolesPerNamespace)
	app.Flag("adopt-roles-of-cluster-uid", "UID of the Namespace kube-system of a cluster that this one replaces under the same name: the roles made for its ServiceAccounts become this cluster's.").
		StringVar(&c.AdoptRolesOfClusterUID)
	app.Flag("drift-interval", "How often a role that was made is looked at for what somebody else changed; 0 for never.").
		Default("1h").DurationVar(&c.DriftInterval)
	app.Flag("orphan-sweep-interval", "How often roles are looked for that were made and that nobody asks for any more; 0 for never.").
		Default("6h").DurationVar(&c.OrphanSweepInterval)
	app.Flag("role-ready-timeout", "How long a new role may take until it can be assumed, before that is a warning.").
		Default("2m").DurationVar(&c.RoleReadyTimeout)
	app.Flag("iam-qps", "Most requests a second to IAM; twice as many for a moment.").Default("20").Float64Var(&c.IAMQPS)
}

func podFlags(app *kingpin.Application, c *Config) {
	app.Flag("webhook-listen-address", "Address of the webhook that gives pods their credentials, such as :8443. Off by default.").StringVar(&c.WebhookListenAddress)
	app.Flag("webhook-cert-file", "File with the webhook's certificate, where something else keeps one. By default the controller does.").StringVar(&c.WebhookCertFile)
	app.Flag("webhook-key-file", "File with the key of that certificate.").StringVar(&c.WebhookKeyFile)
	app.Flag("webhook-client-ca-file", "File with the authorities of the certificates that API servers show to the webhook. With it, nobody without one is answered.").
		StringVar(&c.WebhookClientCAFile)
	app.Flag("webhook-client-names", "Common names of those certificates, separated by commas, where the authorities sign others, too. By default all are accepted.").
		SetValue((*namesValue)(&c.WebhookClientNames))
	app.Flag("default-region", "AWS Region that the webhook gives to pods whose ServiceAccount names none.").StringVar(&c.DefaultRegion)
	app.Flag("credentials-server-image", "Image with /credentials-server, which the webhook adds to pods for the delivery endpoint: the controller's own.").
		StringVar(&c.SidecarImage)
	app.Flag("credentials-server-image-pull-policy", "Pull policy of that image: Always, IfNotPresent or Never. The default is the API server's.").
		StringVar((*string)(&c.SidecarPullPolicy))
	app.Flag("credentials-server-requests", "Resource requests of this container, adapted to the pod: name=amount,name=amount, or none.").
		Default(defaultSidecarRequests).SetValue((*resourcesValue)(&c.SidecarRequests))
	app.Flag("credentials-server-limits", "Resource limits of this container, likewise.").
		Default(defaultSidecarLimits).SetValue((*resourcesValue)(&c.SidecarLimits))
	app.Flag("credentials-server-security-context", "Fields of its security context, numbers and booleans, such as runAsUser=65532,runAsGroup=65532, or none for the defaults alone.").
		Default(nothing).SetValue((*securityContextValue)(&c.SidecarSecurityContext))
}

func processFlags(app *kingpin.Application, c *Config) {
	app.Flag("debug", "Log debug lines.").BoolVar(&c.Debug)
	app.Flag("log-format", "Format of the log: logfmt or json.").Default("logfmt").EnumVar(&c.LogFormat, "logfmt", "json")
	app.Flag("listen-address", "Address of /healthz, /readyz and /metrics.").Default(":8080").StringVar(&c.ListenAddress)
	app.Flag("metrics-secure-listen-address", "Address of /metrics over HTTPS, such as :8444, for those who may get /metrics by a ClusterRole, and for nobody else. Off by default.").
		StringVar(&c.MetricsSecureListenAddress)
	app.Flag("metrics-cert-file", "File with the certificate of that address. By default the process signs one by itself.").StringVar(&c.MetricsCertFile)
	app.Flag("metrics-key-file", "File with the key of that certificate.").StringVar(&c.MetricsKeyFile)
	app.Flag("workers", "How many identities are served at once, besides those that wait for IAM.").Default("30").IntVar(&c.Workers)
	app.Flag("interval", "Without effect: nothing is polled.").Hidden().Default("10s").DurationVar(&c.Interval)
	app.Flag("event-queue-size", "Without effect: events have no queue of their own.").Hidden().IntVar(&c.EventQueueSize)
}
