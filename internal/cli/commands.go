package cli

import (
	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain"
)

// subcommands returns the commands in the order of the help.
func subcommands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{
		explain.New(env),
		newVersion(env),
	}
}
