package awsiamrole

import (
	"errors"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// parseSessionPolicy parses a session policy that is given. Where it is empty, it may be
// that a template had no value for it, and no limit is not what was wanted. A variable
// that stayed as it is would make an Allow match nothing, and a Deny as well.
func parseSessionPolicy(text string) (string, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return "", errors.New("it is empty: give a policy, or leave the field out for no limit")
	case identity.HasVariables(text):
		return "", errors.New("it has variables, such as $(namespace), which are for ServiceAccounts alone and are not expanded here: write the values themselves")
	}
	return identity.ParseSessionPolicy(text)
}
