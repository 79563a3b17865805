// Package cli is the kubectl plugin: one command per package, and what they share in
// package command.
package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"kube-aws-iam-controller/internal/cli/command"
)

// Run runs the command in args until ctx is done, and returns the exit code of the
// process: 0 for success, 1 for an error, or the code of a command.ExitError.
func Run(ctx context.Context, version string, args []string, streams genericiooptions.IOStreams) int {
	root := newRoot(version, streams) //nolint:contextcheck // cobra passes it to the commands
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return command.ExitOK
	}
	code := command.ExitError
	var exit *command.Error
	if errors.As(err, &exit) {
		code = exit.Code
	}
	if exit == nil || exit.Err != nil {
		fmt.Fprintln(streams.ErrOut, "error:", ofConnection(err))
	}
	return code
}

// ofConnection returns what is wrong with the connection to the API server, whatever it was
// asked for, or the error itself.
func ofConnection(err error) error {
	if unreachable, is := errors.AsType[*command.UnreachableError](err); is {
		return unreachable
	}
	if apierrors.IsUnauthorized(err) {
		return errors.New("the API server does not accept your credentials (Unauthorized): log in to the cluster again, or name another user with --context")
	}
	return err
}

// newRoot returns the command of which all others are subcommands.
func newRoot(version string, streams genericiooptions.IOStreams) *cobra.Command {
	env := &command.Environment{IOStreams: streams, Flags: genericclioptions.NewConfigFlags(true), Version: version}
	root := &cobra.Command{
		Use:   "kubectl-aws_iam",
		Short: "See, explain, check and migrate the AWS identities of a cluster",
		Long: `See which AWS IAM roles the ServiceAccounts of a cluster have, explain why a pod has no
credentials, check an installation of kube-aws-iam-controller, and migrate to it.

Every command needs only the permissions of whoever runs it, and names the one that is
missing. Credentials are never printed.`,
		Version:       version,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl aws-iam"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	env.Flags.AddFlags(root.PersistentFlags())
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w\nSee '%s --help' for usage", err, cmd.CommandPath())
	})
	root.CompletionOptions.DisableDefaultCmd = true // kubectl completes, by kubectl_complete-aws_iam
	root.AddCommand(subcommands(env)...)
	root.AddCommand(newOptions(env))
	return root
}
