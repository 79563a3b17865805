package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"kube-aws-iam-controller/internal/identity"
)

// NoArguments returns the rule that a command takes no arguments, and what to do instead.
func NoArguments(instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return fmt.Errorf("%s takes no arguments such as %s: %s", cmd.CommandPath(), identity.Quote(strings.Join(args, " ")), instead)
	}
}
