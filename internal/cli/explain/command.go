// Package explain walks the chain from the controller to a running pod, and names the
// first link that is broken.
package explain

import (
	"context"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/cli/explain/gather"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/identity"
)

const help = `Walk the chain from the controller to a running pod, link by link: the controller and its
Lease, admission, the ServiceAccount or AWSIAMRole, the rules of the namespace, the role and
its trust policy, the Secret, what the pod was given, what in it overrides that, and what
the kubelet says. The first link that is broken is named with its cause and its remedy.

Each link is ok, broken, a warning, or unknown if you may not see it. The trust policy of an
existing role is read with your own AWS credentials, if there are any, and only if STS has
not issued credentials of the role yet. Of Secrets only the metadata is read.

Exit codes: 0 no problem found, 1 broken, 2 no problem found in what you are allowed to see.`

const examples = `  # Why does this pod have no credentials, or another role?
  kubectl aws-iam explain pod/app-5d8f7c-x2x7v --namespace demo

  # Does the ServiceAccount get its role, and which of its pods have it?
  kubectl aws-iam explain serviceaccount/app --namespace demo

  # The same of an AWSIAMRole, for a program
  kubectl aws-iam explain awsiamrole/app --namespace demo --output json`

// options are the flags.
type options struct {
	env    *command.Environment
	output string
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := &options{env: env}
	var what reference
	cmd := &cobra.Command{
		Use:     "explain pod/NAME | serviceaccount/NAME | awsiamrole/NAME",
		Short:   "Explain why a pod has no credentials, or another role",
		Long:    help,
		Example: examples,
		Args: func(_ *cobra.Command, args []string) (err error) {
			what, err = parseReference(args)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), what) },
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "Output format: json or yaml.")
	return cmd
}

func (o *options) run(ctx context.Context, what reference) error {
	printer, err := command.StructuredPrinter(o.output)
	if err != nil {
		return err
	}
	namespace, err := o.env.Namespace()
	if err != nil {
		return err
	}
	clients, err := o.env.Clients()
	if err != nil {
		return err
	}
	if err = clients.Reach(); err != nil {
		return err
	}
	findings := chain.Examine(read(ctx, gather.New(clients, installation.NewFinder(clients.Core, o.env.Version, o.env.ErrOut)), namespace, what))
	explained := newExplanation(namespace, what, findings)
	if printer != nil {
		err = printer.PrintObj(explained, o.env.Out)
	} else {
		err = explained.print(o.env.Out)
	}
	if err != nil {
		return err
	}
	return finding.Exit(findings)
}

func read(ctx context.Context, reader *gather.Reader, namespace string, what reference) *chain.Facts {
	if what.kind == pod {
		return reader.Pod(ctx, namespace, what.name)
	}
	source := identity.ServiceAccount
	if what.kind == awsIAMRole {
		source = identity.AWSIAMRole
	}
	return reader.Identity(ctx, identity.Key{Source: source, Namespace: namespace, Name: what.name})
}
