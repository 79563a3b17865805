// Package uninstall is the command that releases what the controller leaves in a cluster
// and in IAM: the finalizers, without which nobody could delete a ServiceAccount or its
// namespace once the controller is gone, and the managed roles.
package uninstall

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
)

// What becomes of managed roles.
const (
	deleteRoles = "delete"
	retainRoles = "retain"
)

const long = `Release what the controller would leave behind, before it is removed for good: delete or
retain the managed roles in IAM, and remove the finalizers of their ServiceAccounts, which
nobody could delete otherwise.

The controller is found by its Deployment, which says how it is configured, and is scaled
to zero first. If anything fails, it is started again. The command may be run again: it goes
on where an earlier one was interrupted.

AWS is asked with your own credentials, found as by the AWS CLI. In the cluster the command
acts as the controller, so you have to be allowed to impersonate its ServiceAccount.`

const examples = `  # What would be done
  kubectl aws-iam uninstall --managed-roles=delete --dry-run

  # Delete all managed roles, except those whose ServiceAccount says Retain
  kubectl aws-iam uninstall --managed-roles=delete

  # The controller is gone already: release the ServiceAccounts of one namespace
  kubectl aws-iam uninstall --managed-roles=retain --cluster-name=demo-cluster -n demo`

// credentialsFileVariable is that of the controller's flag, which its Job has as well.
const credentialsFileVariable = config.EnvPrefix + "_CREDENTIALS_FILE"

// options are the command line.
type options struct {
	env *command.Environment

	managedRoles, named, clusterName, rolePath, credentialsFile string
	// assumeRole is nil for the controller's.
	assumeRole *string
	dryRun     bool
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := options{env: env}
	cmd := &cobra.Command{
		Use:     "uninstall --managed-roles=delete|retain",
		Short:   "Release managed roles and finalizers before the controller is removed",
		Long:    long,
		Example: examples,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.managedRoles, "managed-roles", "", "What becomes of managed roles: delete, or retain with the tag retained=true. Required.")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Only print what would be done.")
	flags.StringVar(&o.named, "controller", "", installation.FlagUsage)
	flags.StringVar(&o.clusterName, "cluster-name", "", "The controller's --cluster-name, if it is gone or its Deployment does not tell.")
	flags.StringVar(&o.rolePath, "role-path", "", "The controller's --role-path, likewise.")
	assumeRole := flags.String("assume-role", "", "The role to assume first in AWS. By default the controller's --assume-role; none if it is empty.")
	flags.StringVar(&o.credentialsFile, "credentials-file", os.Getenv(credentialsFileVariable),
		"File with AWS credentials as the controller's --credentials-file, instead of your own ("+credentialsFileVariable+").")
	cobra.CheckErr(cmd.MarkFlagRequired("managed-roles"))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if flags.Changed("assume-role") {
			o.assumeRole = assumeRole
		}
		return o.check()
	}
	return cmd
}

// check returns an error for a value that no cluster is needed to refuse.
func (o *options) check() error {
	if o.managedRoles != deleteRoles && o.managedRoles != retainRoles {
		return fmt.Errorf("--managed-roles: %s: give %s or %s", identity.Quote(o.managedRoles), deleteRoles, retainRoles)
	}
	if o.named == "" {
		return nil
	}
	_, _, err := installation.SplitName(o.named)
	return err
}

func (o *options) run(ctx context.Context) error {
	clients, err := o.env.Clients()
	if err != nil {
		return err
	}
	target, err := o.find(ctx, clients.Core)
	if err != nil {
		return err
	}
	r, err := o.prepare(ctx, clients.Core, target)
	if err != nil {
		return err
	}
	defer r.stopWatching()
	if o.dryRun {
		return r.plan(ctx)
	}
	return r.uninstall(ctx)
}
