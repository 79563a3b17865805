package chain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/finding"
)

// bearerToken is about variables with a token for one service, which SDKs send in the place
// of a signature: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html.
func (c *containerFacts) bearerToken() *finding.Finding {
	for _, name := range slices.Sorted(maps.Keys(c.set)) {
		if service, is := strings.CutPrefix(name, "AWS_BEARER_TOKEN_"); is {
			return warning(fmt.Sprintf("it has %s (from %s), and SDKs call %s with that token, and not with credentials", name, c.set[name].from, service),
				"remove the variable from the container, unless that service is to be called with the token")
		}
	}
	return nil
}
