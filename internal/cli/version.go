package cli

import (
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
		Args:  cobra.NoArgs,
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
				fmt.Fprintf(env.Out, "controller %s, image %s\n", controller.Name(), controller.Image)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&local, "client", false, "Print the version of the plugin only, without asking the cluster.")
	return cmd
}
