// Package trustpolicy is the command that prints what a role has to trust.
package trustpolicy

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/setup"
)

const long = `Print the trust policy, as JSON, of a role that the ServiceAccounts of a namespace, or one
of them alone, are to use. For one ServiceAccount it demands the session name as well.

The cluster name and the controller's own role are those of the installed controller that
serves the namespace. Of its role the cluster does not always tell, as under EKS Pod
Identity: then give it with --controller-role-arn. AWS is not asked.`

const examples = `  # For all ServiceAccounts of the namespace demo
  kubectl aws-iam trust-policy demo

  # For one of them
  kubectl aws-iam trust-policy demo reader`

// options are the command line.
type options struct {
	env                                        *command.Environment
	controller, clusterName, controllerRoleARN string
}

// New returns the command.
func New(env *command.Environment) *cobra.Command {
	o := options{env: env}
	cmd := &cobra.Command{
		Use:     "trust-policy NAMESPACE [SERVICEACCOUNT]",
		Short:   "Print what a role has to trust",
		Long:    long,
		Example: examples,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("name a namespace, and at most one ServiceAccount of it: %s NAMESPACE [SERVICEACCOUNT]", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), args[0], append(args, "")[1])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.controller, "controller", "", installation.FlagUsage)
	flags.StringVar(&o.clusterName, "cluster-name", "", "The controller's --cluster-name, if its Deployment does not tell.")
	flags.StringVar(&o.controllerRoleARN, "controller-role-arn", "", "The ARN of the controller's own role, if the cluster does not tell.")
	return cmd
}

// run prints the policy. account is "" for the whole namespace.
func (o *options) run(ctx context.Context, namespace, account string) error {
	clients, err := o.env.Clients()
	if err != nil {
		return err
	}
	controller, err := installation.NewFinder(clients.Core, o.env.Version, o.env.ErrOut).Select(ctx, o.controller, namespace)
	if err != nil {
		return err
	}
	cfg, err := controller.Configuration(func(cfg *config.Config) {
		cfg.TrustedNamespace, cfg.TrustedServiceAccount = namespace, account
		if o.clusterName != "" {
			cfg.ClusterName = o.clusterName
		}
		if o.controllerRoleARN != "" {
			cfg.ControllerRoleARN, cfg.AssumeRole = o.controllerRoleARN, ""
		}
	})
	if err != nil {
		return err
	}
	role, err := controller.RoleARN(ctx, clients.Core, cfg)
	if err == nil && role == "" {
		err = errors.New("the cluster does not tell which role the controller has")
	}
	if err != nil {
		return errors.Join(err, errors.New("give the ARN of the controller's own role with --controller-role-arn"))
	}
	policy, err := setup.TrustPolicy(cfg, role, namespace, account)
	if err != nil {
		return err
	}
	_, err = io.WriteString(o.env.Out, policy)
	return err
}
