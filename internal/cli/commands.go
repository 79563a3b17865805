package cli

import (
	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/bootstrap"
	"kube-aws-iam-controller/internal/cli/check"
	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/exec"
	"kube-aws-iam-controller/internal/cli/explain"
	"kube-aws-iam-controller/internal/cli/migrate"
	"kube-aws-iam-controller/internal/cli/status"
	"kube-aws-iam-controller/internal/cli/trustpolicy"
	"kube-aws-iam-controller/internal/cli/uninstall"
)

// subcommands returns the commands in the order of the help.
func subcommands(env *command.Environment) []*cobra.Command {
	return []*cobra.Command{
		status.New(env),
		explain.New(env),
		exec.New(env),
		check.New(env),
		migrate.New(env),
		trustpolicy.New(env),
		bootstrap.New(env),
		uninstall.New(env),
		newVersion(env),
	}
}
