package cli

import (
	"cmp"
	"fmt"

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
			installed, err := installation.Find(cmd.Context(), clients.Core, "")
			for _, controller := range installed {
				fmt.Fprintf(env.Out, "controller %s %s, image %s\n", controller.Name(), cmp.Or(controller.Version(), "of unknown version"), controller.Image)
			}
			installation.WarnOfSkew(env.ErrOut, env.Version, installed)
			return err
		},
	}
	cmd.Flags().BoolVar(&local, "client", false, "Print the version of the plugin only, without asking the cluster.")
	return cmd
}
