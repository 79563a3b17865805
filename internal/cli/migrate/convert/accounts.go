package convert

import (
	"fmt"
	"slices"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// annotate gives a ServiceAccount its role, and its pods whatever else they need.
func (c *converter) annotate(k key, has *request, users []*workload) error {
	o := c.accounts[k]
	if o != nil && has.system != owned && !c.writable(o, has) {
		c.keepAssociation(k)
		return nil // and its pods keep what they have
	}
	account := c.withWorkloads(k, has, users)
	if c.areUnserved(has, users) {
		has.contested = true
		c.keepAssociation(k)
	}
	if o == nil {
		return c.create(k, firstOf(users), has, account)
	}
	if has.system != owned {
		c.write(o, has)
	}
	c.remove(has, users)
	for _, again := range c.again[k] {
		c.annotateAgain(again, has)
	}
	return nil
}

// withWorkloads returns the ServiceAccount in the result with its workloads, from which
// it removes what they had besides.
func (c *converter) withWorkloads(k key, has *request, users []*workload) *Account {
	account := c.account(k, has, "")
	account.Done = has.system == owned
	if has.beside != nil {
		account.System = has.beside.system
	}
	for _, w := range users {
		changed := w.wants != nil && !c.isKept(w.object) && (c.RemoveOld || w.wants.system == AWSIAMRole)
		account.Workloads = append(account.Workloads, Workload{Kind: w.kind, Name: w.name, Changed: changed, Wired: w.wants != nil})
		if w.wants != nil {
			w.wants.remove()
			account.System = w.wants.system
		}
	}
	return account
}

// annotateAgain gives the role to a further occurrence of a ServiceAccount, unless that
// requests another one.
func (c *converter) annotateAgain(o *object, has *request) {
	irsa := c.irsaAccount(o)
	other := irsa
	value, there := o.annotation(api.RoleAnnotation)
	if there {
		other = orElse(c.ownRequest(o, value), irsa)
	}
	switch {
	case other != nil && other.role != has.role:
		c.open(o, nil, "it asks for %s here, and for %s at %s: convert the files of each cluster or environment by themselves", other.role, has.role, c.accounts[o.key].at())
		return
	case !there && !c.writable(o, has):
		return
	case !there:
		c.write(o, has)
	}
	if irsa != nil && !has.contested {
		irsa.remove()
	}
}

// writable reports whether a ServiceAccount can be annotated without changing others.
func (c *converter) writable(o *object, has *request) bool {
	if policies(o) != "" {
		c.openManaged(o, nil, has, o)
		return false
	}
	if other := c.otherLimit(o, has); other != "" {
		c.open(o, manifest.At(o.node, "metadata", "annotations", other), "it has %s, but its pods ask for %s by %s: remove it, or correct it, and convert again", other, has, has.system)
		return false
	}
	if c.isKept(o) {
		c.open(o, nil, "its document cannot be changed: add %s: %s by hand, and convert again", api.RoleAnnotation, has.written())
		return false
	}
	if o.owns("metadata", "annotations") {
		return true
	}
	c.open(o, nil, "its metadata or annotations are shared by anchors, aliases or merge keys: add %s: %s by hand, and convert again", api.RoleAnnotation, has.written())
	return false
}

func (c *converter) write(o *object, has *request) {
	metadata := manifest.At(o.node, "metadata")
	for _, pair := range c.wanted(has) {
		if _, there := o.annotation(pair[0]); !there {
			o.doc.SetIn(metadata, "annotations", pair[0], pair[1])
		}
	}
}

// remove removes what a ServiceAccount had before, unless pods would then get another
// role than today, or none. What its pods had is already removed.
func (c *converter) remove(has *request, users []*workload) {
	if !has.contested && !slices.ContainsFunc(users, func(w *workload) bool { return w.wants == has }) {
		has.remove()
	}
}

func firstOf(users []*workload) *workload {
	if len(users) == 0 {
		return nil
	}
	return users[0]
}

// wanted returns the annotations that request a role, the last one first.
func (c *converter) wanted(has *request) (pairs [][2]string) {
	if c.Region != "" {
		pairs = append(pairs, [2]string{api.RegionAnnotation, c.Region})
	}
	if has.sessionPolicy != "" {
		pairs = append(pairs, [2]string{api.SessionPolicyAnnotation, identity.EscapeVariables(has.sessionPolicy)})
	}
	if has.session != 0 && has.session != identity.DefaultSession {
		pairs = append(pairs, [2]string{api.SessionDurationAnnotation, fmt.Sprintf("%d", int(has.session.Seconds()))})
	}
	return append(pairs, [2]string{api.RoleAnnotation, has.written()})
}

func orElse(first, second *request) *request {
	if first != nil {
		return first
	}
	return second
}
