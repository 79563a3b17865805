package cli

import (
	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/check"
	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/explain"
	"kube-aws-iam-controller/internal/cli/migrate"
	"kube-aws-iam-controller/internal/cli/status"
)

// subcommands returns the commands in the order of the help.
func subcommands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{
		status.New(env),
		explain.New(env),
		check.New(env),
		migrate.New(env),
		newVersion(env),
	}
}
