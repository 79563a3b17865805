package convert

import "slices"

// A Use is the use of a ServiceAccount by pods that are not among the manifests,
// because their object is of a kind that is not read.
type Use struct {
	Namespace, ServiceAccount string
	// Owner is that object, as messages name it, Kind its kind and group.
	Owner, Kind string
	// Role is the role that kube2iam or kiam gives the pods, "" for none.
	Role string
}

func (u Use) account() key { return key{u.Namespace, u.ServiceAccount} }

// isUsed reports whether pods that are not among the manifests use a ServiceAccount.
func (c *converter) isUsed(k key) bool {
	return slices.ContainsFunc(c.Uses, func(u Use) bool { return u.account() == k })
}

// noteUses names the uses that keep a ServiceAccount from getting a role.
func (c *converter) noteUses(k key) {
	for _, use := range c.Uses {
		if use.account() != k {
			continue
		}
		c.result.Findings = append(c.result.Findings, Finding{
			Object: use.Owner,
			Message: "its pods use the ServiceAccount " + k.name + " and objects of its kind are not read, so that " + k.name +
				" gets no role, and workloads that ask for one get another ServiceAccount" + use.remedy(),
		})
	}
}

// unreadUses names the uses that request a role themselves.
func (c *converter) unreadUses() {
	for _, use := range c.Uses {
		if use.Role != "" {
			c.result.Findings = append(c.result.Findings, Finding{
				Object: use.Owner, Open: true,
				Message: "its pods ask for " + use.Role + " by " + podRole + ", and objects of its kind are not read" + use.remedy(),
			})
		}
	}
}

func (u Use) remedy() string {
	return "; if its pods are described there, say where by --pod-template " + u.Kind + "=PATH"
}
