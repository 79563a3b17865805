package cli

import (
	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/cli/command"
)

// usageTemplate begins with what a reader looks for: examples, then the command's own
// flags. Those of kubectl, which every command has, are left to the command options, as
// in kubectl.
const usageTemplate = `{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{if .HasAvailableSubCommands}}Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}

{{end}}{{if and .HasParent .HasAvailableLocalFlags}}Options:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}

{{end}}Usage:
  {{if .Runnable}}{{.UseLine}}{{else}}{{.CommandPath}} COMMAND{{end}}
{{if .HasAvailableSubCommands}}
Use "{{.CommandPath}} COMMAND --help" for more about a command.{{end}}
Use "{{.Root.CommandPath}} options" for the options of all commands, such as --context and --namespace.
`

// newOptions returns the command that lists the flags of all commands.
func newOptions(env *command.Environment) *cobra.Command {
	return &cobra.Command{
		Use:     "options",
		Short:   "List the options of all commands, which are those of kubectl",
		Example: "  kubectl aws-iam options",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := env.Out.Write([]byte("These options can be given to every command:\n\n" + cmd.InheritedFlags().FlagUsages()))
			return err
		},
	}
}
