package chain

import (
	"fmt"
	"regexp"
	"strings"

	"kube-aws-iam-controller/internal/api"
)

// harmless is text that a shell takes as it is.
var harmless = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// word returns text as one word of a command that people copy into their shell. Tenants
// write annotations, and the owner references of pods.
func word(text string) string {
	if harmless.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// logs returns the command that prints the controller's log.
func (f *Facts) logs() string {
	c := f.controller()
	if c == nil {
		return "kubectl logs deployment/" + api.ControllerName + " in the controller's namespace"
	}
	return fmt.Sprintf("kubectl logs deployment/%s --namespace %s", c.Deployment.Name, c.Deployment.Namespace)
}
