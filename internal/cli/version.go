package cli

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
)

// newVersion returns the command that prints the versions of the plugin and of the
// controller.
func newVersion(env *command.Environment) *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this plugin and of the controllers in the cluster",
		Example: `  # The plugin, and the controllers in the cluster
  kubectl aws-iam version

  # The plugin only
  kubectl aws-iam version --client`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(env.Out, "kubectl aws-iam", env.Version)
			if local {
				return nil
			}
			clients, err := env.Clients()
			if err != nil {
				return err
			}
			installed, err := installation.NewFinder(clients.Core, env.Version, env.ErrOut).Anywhere(cmd.Context())
			if err != nil {
				return err
			}
			return printControllers(env.Out, installed)
		},
	}
	cmd.Flags().BoolVar(&local, "client", false, "Print the version of the plugin only, without asking the cluster.")
	return cmd
}

// printControllers prints what is installed. The error is that there may be more.
func printControllers(out io.Writer, installed installation.Found) error {
	for _, controller := range installed.Controllers {
		fmt.Fprintf(out, "controller %s %s, image %s\n", controller.Name(), cmp.Or(controller.Version(), "of unknown version"), controller.Image)
	}
	if installed.Hidden != nil {
		return &command.Error{Code: command.ExitUnknown, Err: fmt.Errorf("there may be more controllers: %w", installed.Hidden)}
	}
	if len(installed.Controllers) == 0 {
		fmt.Fprintln(out, "no controller is installed")
	}
	return nil
}
