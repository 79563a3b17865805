package cli

import (
	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain"
	"kube-aws-iam-controller/internal/cli/migrate"
)

// subcommands returns the commands in the order of the help.
func subcommands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{
		explain.New(env),
		migrate.New(env),
		newVersion(env),
	}
}
