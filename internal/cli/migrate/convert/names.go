package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"kube-aws-iam-controller/internal/api"
)

// maxAccount is the maximum length of a ServiceAccount's name that leaves room for the
// suffix of its Secret, which is not used up so that names remain readable.
const maxAccount = 200

var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// taken returns the existing ServiceAccounts, including those that are only referred
// to, and the request of each that has the controller's annotation, or is given it.
func (c *converter) taken(users map[key][]*workload) map[key]*request {
	taken := map[key]*request{}
	for k, using := range users {
		taken[k] = &request{}
		if has := orElse(c.associated[k], c.common(k, using)); has != nil && !c.areKept(using) {
			taken[k] = has
		}
	}
	for _, use := range c.Uses {
		taken[use.account()] = orElse(taken[use.account()], &request{})
	}
	for k := range c.unknown {
		taken[k] = orElse(taken[k], &request{})
	}
	for k, o := range c.accounts {
		taken[k] = &request{}
		if value, has := o.annotation(api.RoleAnnotation); has {
			if own, err := c.parseOwn(o, value); err == nil {
				taken[k] = own
			}
		}
	}
	return taken
}

// accountFor returns the name of the ServiceAccount for pods that shared one and want
// a role: that of the role, behind that of the ServiceAccount unless it is "default". It
// depends on nothing else, so that all files of a cluster, converted one by one, agree.
// Only if the name is taken for something else, or sessions are limited, which those of pods
// in another file may not be, it is extended.
func accountFor(from key, wants *request, taken map[key]*request) string {
	name := wants.role.Name
	if from.name != defaultAccount {
		name = from.name + "-" + name
	}
	name = strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(name) > maxAccount || name == "" || name == defaultAccount {
		return "role-" + name[:min(len(name), maxAccount-14)] + "-" + digest(from, wants)
	}
	other := taken[key{from.namespace, name}]
	if wants.sessionPolicy != "" || other != nil && !wants.same(other) {
		return name + "-" + digest(from, wants)
	}
	return name
}

// digest returns 8 hexadecimal digits that differ for other roles, sessions and policies of these.
func digest(from key, wants *request) string {
	sum := sha256.Sum256([]byte(from.name + "\n" + wants.role.String() + "\n" + wants.session.String() + wants.sessionPolicy))
	return hex.EncodeToString(sum[:4])
}
