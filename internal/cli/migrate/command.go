// Package migrate is the command that converts manifests of kube2iam, kiam, IRSA, EKS
// Pod Identity and hand-wired AWSIAMRoles.
package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/migrate/convert"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/cli/migrate/plan"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

// exitOpen is the exit code if something could not be converted.
const exitOpen = 3

// options are the flags of the command.
type options struct {
	env *command.Environment

	files                             []string
	fromCluster, allNamespaces        bool
	inPlace, removeOld, regexp        bool
	planFile, region                  string
	templates, only                   []string
	controllerRole, cluster, baseRole string
	podTemplates                      []convert.PodTemplate
	controllers                       settings
	// uses are those of ServiceAccounts by pods of the cluster that are not converted.
	uses []convert.Use
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := &options{env: env}
	cmd := &cobra.Command{
		Use:   "migrate (-f FILE... | --from-cluster)",
		Short: "Convert manifests of kube2iam, kiam, IRSA, EKS Pod Identity and hand-wired AWSIAMRoles",
		Long: `Convert manifests to annotated ServiceAccounts, and plan the migration without downtime.

Files, directories and "-" for standard input hold manifests in YAML or JSON, or what
"aws eks describe-pod-identity-association" prints. The manifests are printed to standard
output, with everything that did not have to change; comments, order and formatting are
kept. The plan goes to standard error: statements to add to the trust policy of each
role, what to apply in which order, and how to go back.

With --from-cluster the objects are read from the cluster, and those that have to change
are printed. Nothing is written to the cluster or to AWS. Converting twice changes nothing.

Exit codes: 0 all was converted, 1 an error, 3 something could not be converted and is
named at the end of the plan.`,
		Example: `  # What would change?
  kubectl aws-iam migrate -f manifests/ | diff -u <(cat manifests/*) -

  # Convert the files themselves
  kubectl aws-iam migrate -f manifests/ --in-place --plan plan.txt --cluster-name prod

  # What runs in one namespace
  kubectl aws-iam migrate --from-cluster -n team-a`,
		Args: command.NoArguments("give files and directories with --filename"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	o.addFlags(cmd)
	return cmd
}

func (o *options) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVarP(&o.files, "filename", "f", nil, "File or directory with manifests, or - for standard input.")
	f.BoolVar(&o.fromCluster, "from-cluster", false, "Convert what is in the cluster.")
	f.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "With --from-cluster: all namespaces.")
	f.BoolVar(&o.inPlace, "in-place", false, "Write the files instead of standard output.")
	f.BoolVar(&o.removeOld, "remove-old", false, "Also remove what the pods had before, for the last step of the plan.")
	f.StringVar(&o.planFile, "plan", "", "Write the plan to this file instead of standard error.")
	f.StringSliceVar(&o.only, "only", nil, "Print only objects of these kinds, or of these kinds and names, such as ServiceAccount,Deployment/web.")
	f.StringSliceVar(&o.templates, "pod-template", nil, "Further kind with a pod template, as KIND.GROUP=PATH, such as Rollout.argoproj.io=spec.template.")
	f.StringVar(&o.region, "region", "", "AWS Region that the pods are given.")
	f.BoolVar(&o.regexp, "kube2iam-regexp", false, "kube2iam runs with --namespace-restriction-format=regexp.")
	f.StringVar(&o.controllerRole, "controller-role-arn", "", "Role of the controller, which roles have to trust. With --from-cluster it is taken from the installed controller if that names one.")
	f.StringVar(&o.cluster, "cluster-name", "", "Name of the cluster in external IDs. With --from-cluster it is taken from the installed controller.")
	f.StringVar(&o.baseRole, "base-role-arn", "", "Prefix of roles that are given by name, such as arn:aws:iam::123456789012:role/.")
	cmd.MarkFlagsMutuallyExclusive("filename", "from-cluster")
	cmd.MarkFlagsMutuallyExclusive("in-place", "from-cluster")
	cmd.MarkFlagsMutuallyExclusive("in-place", "only")
}

// run converts and writes everything.
func (o *options) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	files, findings, err := o.read(ctx)
	if err != nil {
		return err
	}
	if o.controllers.namespace, err = o.env.Namespace(); err != nil {
		return err
	}
	result, err := convert.Convert(files, convert.Options{
		Namespace: o.controllers.namespace, RemoveOld: o.removeOld, Region: o.region, Regexp: o.regexp,
		Base: o.controllers.base, ClusterName: o.controllers.cluster, DefaultRegion: o.controllers.defaultRegion, Templates: o.podTemplates, Uses: o.uses,
	})
	if err != nil {
		return err
	}
	if o.fromCluster {
		findings = append(findings, sources(result.Files[0])...)
	}
	result.Findings = append(findings, result.Findings...)
	if err = errors.Join(o.writeManifests(result.Files), o.writePlan(result)); err != nil {
		return err
	}
	for _, f := range result.Findings {
		if f.Open {
			return &command.Error{Code: exitOpen}
		}
	}
	return nil
}

// check parses the flags.
func (o *options) check() (err error) {
	if len(o.files) == 0 && !o.fromCluster {
		return errors.New("name the manifests with --filename, - for standard input, or give --from-cluster")
	}
	for _, value := range o.templates {
		template, parseErr := convert.ParsePodTemplate(value)
		if parseErr != nil {
			return fmt.Errorf("--pod-template: %w", parseErr)
		}
		o.podTemplates = append(o.podTemplates, template)
	}
	if o.region != "" {
		if o.region, err = identity.ParseRegion(o.region); err != nil {
			return fmt.Errorf("--region: %w", err)
		}
	}
	if o.controllerRole != "" {
		if role, roleErr := identity.ParseRole(o.controllerRole); roleErr != nil || !role.Resolved() {
			return fmt.Errorf("--controller-role-arn: %s is not the ARN of a role", identity.Quote(o.controllerRole))
		}
	}
	if err = trust.CheckClusterName(o.cluster); err != nil {
		return fmt.Errorf("--cluster-name: %w", err)
	}
	o.controllers = settings{principal: o.controllerRole, cluster: o.cluster}
	if o.baseRole != "" {
		base, baseErr := identity.ParseBaseRole(o.baseRole)
		if baseErr != nil {
			return fmt.Errorf("--base-role-arn: %w", baseErr)
		}
		o.controllers.base = &base
	}
	return nil
}

// read returns the manifests.
func (o *options) read(ctx context.Context) ([]*manifest.File, []convert.Finding, error) {
	if o.fromCluster {
		return o.readCluster(ctx)
	}
	files, err := readFiles(o.files, o.env.In)
	return files, nil, err
}

func (o *options) writePlan(result *convert.Result) error {
	in := plan.Input{
		Result: result, Principal: o.controllers.principal, ClusterName: o.controllers.cluster,
		Passed: o.controllers.passed, RemoveOld: o.removeOld, Region: o.region,
	}
	if o.planFile == "" {
		return plan.Write(o.env.ErrOut, in)
	}
	return writeFile(o.planFile, func(w writer) error { return plan.Write(w, in) })
}
