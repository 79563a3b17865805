// Package bootstrap is the command that writes the first credentials of a controller that
// renews its own, into the Secret of an object in its namespace that requests its role.
// From then on the controller renews them as any others.
package bootstrap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/sts"
)

const long = `Write the first credentials of a controller outside AWS into the Secret that it renews
itself from then on. The controller has to be installed already; OBJECT in its namespace
requests its own role, by default its ServiceAccount.

AWS is asked with your own credentials, found as by the AWS CLI. They have to be allowed to
assume the controller's role, which has to trust itself as well. In the cluster the command
acts as the controller, so you have to be allowed to impersonate its ServiceAccount.
Credentials are neither printed nor passed on a command line.`

const examples = `  # What would be done
  kubectl aws-iam bootstrap --dry-run

  # Write the credentials
  kubectl aws-iam bootstrap

  # Take over the seed of the predecessor
  kubectl aws-iam bootstrap awsiamrole/kube-aws-iam-controller-iam-role`

// options are the command line.
type options struct {
	env                     *command.Environment
	controller, clusterName string
	dryRun                  bool
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := options{env: env}
	cmd := &cobra.Command{
		Use:     "bootstrap [serviceaccount/NAME | awsiamrole/NAME]",
		Short:   "Write the first credentials of a controller outside AWS",
		Long:    long,
		Example: examples,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var object identity.Key
			if len(args) > 0 {
				var err error
				if object, err = command.ParseObject(args[0]); err != nil {
					return err
				}
			}
			return o.run(cmd.Context(), object)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "Only print what would be done.")
	flags.StringVar(&o.controller, "controller", "", installation.FlagUsage)
	flags.StringVar(&o.clusterName, "cluster-name", "", "The controller's --cluster-name, if its Deployment does not tell.")
	return cmd
}

// run writes the Secret of object, which is zero for the controller's ServiceAccount.
func (o *options) run(ctx context.Context, object identity.Key) error {
	s, err := o.newSeeder(ctx, object)
	if err != nil {
		return err
	}
	want, have, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err = s.useAWS(ctx); err != nil {
		return awserr.ForCommand(err)
	}
	role, err := s.assumer.Resolve(ctx, want)
	if err != nil {
		return awserr.ForCommand(err)
	}
	o.announce(want, have, role)
	if o.dryRun {
		return nil
	}
	creds, err := s.assume(ctx, want)
	if err != nil {
		return err
	}
	if creds.Notice != "" {
		notice := strings.ReplaceAll(creds.Notice, "the controller's node", "this machine")
		fmt.Fprintf(o.env.ErrOut, "warning: %s\n", notice)
	}
	if err = s.write(ctx, want, have, creds); err != nil {
		return err
	}
	fmt.Fprintf(o.env.Out, "Written. The session lasts until %s; a controller that runs before then renews it from now on\n",
		creds.Expiration.Format(time.RFC3339))
	return nil
}

// announce prints what is done, or would be.
func (o *options) announce(want identity.Desired, have secrets.Standing, role identity.RoleReference) {
	begin, end := "Getting a session", ""
	if o.dryRun {
		begin, end = "Would get a session", "Nothing was changed: this was a dry run\n"
	}
	fmt.Fprintf(o.env.Out, "%s of %s under the external ID %s and the session name %s, for the Secret %s/%s, which %s\n%s",
		begin, role, want.ExternalID, sts.SessionName(want, role), want.Namespace, want.SecretName, standing(have), end)
}

func standing(have secrets.Standing) string {
	switch {
	case have.Seed != nil:
		return "exists as the seed of the predecessor and is replaced"
	case have.Exists:
		return "exists and is renewed"
	default:
		return "is created"
	}
}
