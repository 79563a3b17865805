// Package check examines an installation of the controller, or a cluster before one.
package check

import (
	"context"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/finding"
)

const help = `Check an installation of the controller, or with --pre a cluster before one.

Every line is ok, warning, failed, or unknown where you may not see what is needed, and
says what to do. A warning is a matter of choice or of time.

Checks before:  server, clock, installer, others
Checks after:   server, clock, controller, version, crd, rights, admission, injection,
                guard, lease, aws, others

--namespace says where the controller is, or is to be; otherwise it is looked for in all
namespaces. The checks only read, and try one pod as a dry run. Inside a pod the command uses its ServiceAccount; as
that of the controller, which may see little by design, nothing that is unknown counts.

Exit codes: 0 sound, 1 a check failed or could not be made, 2 something is unknown.`

const examples = `  # Before installing
  kubectl aws-iam check --pre

  # The controller in any namespace
  kubectl aws-iam check

  # For a script
  kubectl aws-iam check --namespace kube-system --output json`

// listKind is the kind of the list that is printed as JSON or YAML.
const listKind = "FindingList"

// options are the flags.
type options struct {
	env    *command.Environment
	before bool
	output string
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := &options{env: env}
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Check an installation of the controller, or a cluster before one",
		Long:    help,
		Example: examples,
		Args:    command.NoArguments("give the controller's namespace with --namespace"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.before, "pre", false, "Check whether the controller can be installed.")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "Output format: json or yaml.")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	printer, err := command.StructuredPrinter(o.output)
	if err != nil {
		return err
	}
	f, err := o.facts(ctx)
	if err != nil {
		return err
	}
	all := evaluate(f)
	if printer == nil {
		finding.Print(o.env.Out, all)
	} else if err = printer.PrintObj(command.NewList(listKind, all), o.env.Out); err != nil {
		return err
	}
	if f.own {
		return finding.Exit(withoutUnknown(all))
	}
	return finding.Exit(all)
}

// facts reads all that the checks depend on.
func (o *options) facts(ctx context.Context) (*facts, error) {
	f := &facts{plugin: o.env.Version, before: o.before}
	if o.env.Flags.Namespace != nil {
		f.namespace = *o.env.Flags.Namespace
	}
	r := &reader{facts: f}
	var err error
	if r.rest, err = o.env.REST(); err != nil {
		return nil, err
	}
	if r.clients, err = o.env.Clients(); err != nil {
		return nil, err
	}
	return f, r.read(ctx)
}

func withoutUnknown(all []finding.Finding) (known []finding.Finding) {
	for _, f := range all {
		if f.State != finding.Unknown {
			known = append(known, f)
		}
	}
	return known
}
