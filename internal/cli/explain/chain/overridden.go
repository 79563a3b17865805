package chain

import (
	"fmt"

	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

// overridden returns a finding if the container has a variable that wins over ours.
func (c *containerFacts) overridden(name, why string) *finding.Finding {
	s, has := c.set[name]
	if !has {
		return nil
	}
	return broken(fmt.Sprintf("it has %s (from %s), and %s", name, s.from, why), "remove the variable from the container")
}

// overriddenProfile is about a variable that names a profile. One that our file does not
// have is not found, and then nothing else is looked at.
func overriddenProfile(name string) containerRule {
	return func(c *containerFacts) *finding.Finding {
		if profile, has := c.set[name]; has && profile.value == "default" {
			return nil
		}
		return c.overridden(name, "SDKs look for that profile, which the credentials are not in")
	}
}

// overriddenFile is about a variable that names a file, which our deliveries by file set.
func overriddenFile(name string) containerRule {
	return func(c *containerFacts) *finding.Finding {
		s, has := c.set[name]
		ours, given := c.ours[name]
		switch {
		case !has || s.value == ours && s.value != "" || c.delivery == "":
			return nil
		case given:
			return c.overridden(name, "SDKs read that file, and not "+ours)
		default:
			return warning(fmt.Sprintf("it has %s (from %s), and SDKs prefer credentials in that file", name, s.from), "remove the variable from the container, unless there are none in the file")
		}
	}
}

// otherEndpoint is about a variable by which EKS Pod Identity and ECS give credentials.
func (c *containerFacts) otherEndpoint(name string) *finding.Finding {
	s, has := c.set[name]
	switch {
	case !has || s.value != "" && s.value == c.ours[name]:
		return nil
	case c.delivery == identity.DeliverEndpoint:
		return c.overridden(name, "so it is not given the endpoint of this controller, but has the role of EKS Pod Identity, or of whatever serves that address")
	default:
		return warning(fmt.Sprintf("it has %s (from %s), as EKS Pod Identity gives it; SDKs prefer the file of this controller, but a program can ask for either", name, s.from),
			"delete the Pod Identity association of the ServiceAccount")
	}
}
