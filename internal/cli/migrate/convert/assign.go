package convert

import (
	"cmp"
	"maps"
	"slices"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// assign gives every role to a ServiceAccount, and its pods that ServiceAccount.
func (c *converter) assign() error {
	users := map[key][]*workload{}
	for _, w := range c.workloads {
		users[w.account] = append(users[w.account], w)
	}
	all := map[key]bool{}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(users)), slices.Collect(maps.Keys(c.accounts)), slices.Collect(maps.Keys(c.associated))) {
		all[k] = true
	}
	taken := c.taken(users)
	for _, k := range slices.SortedFunc(maps.Keys(all), compareKeys) {
		if err := c.assignAccount(k, users[k], taken); err != nil {
			return err
		}
	}
	return nil
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}

// assignAccount decides for one ServiceAccount and the workloads that use it.
func (c *converter) assignAccount(k key, users []*workload, taken map[key]*request) error {
	has, decided := c.accountRole(k, users)
	if decided {
		return nil
	}
	has.adoptSession(users)
	var stay, leave []*workload
	for _, w := range users {
		switch {
		case w.wants == nil && has == nil:
		case w.wants == nil, has.serves(w.wants):
			stay = append(stay, w)
		case has.old() != nil:
			has.contested = true
			c.open(w.object, w.wants.node, "its pods ask for %s by %s, but their ServiceAccount has %s by %s, which most SDKs prefer: remove the one that is not used, or give the pods a ServiceAccount of their own",
				w.wants, w.wants.system, has.old(), has.old().system)
		default:
			leave = append(leave, w)
		}
	}
	for _, w := range c.movable(k, has, users, leave) {
		if err := c.split(k, w, taken); err != nil {
			return err
		}
	}
	if has == nil {
		c.noteUnknown(k, users)
		return nil
	}
	return c.annotate(k, has, stay)
}

// accountRole returns what a ServiceAccount is to have, nil if nothing, or that it is decided
// already: nothing is converted there.
func (c *converter) accountRole(k key, users []*workload) (has *request, decided bool) {
	if c.isTemplate(k) || c.managed(k, users) {
		return nil, true
	}
	own, readable := c.accountRequest(k)
	if !readable {
		c.keep(k, users)
		return nil, true
	}
	if own != nil {
		return own, false
	}
	has = c.common(k, users)
	if has == nil || !c.areKept(users) {
		return has, false
	}
	for _, w := range users {
		w.wants.remove()
	}
	return nil, true
}

// owned is the System of a ServiceAccount that has the controller's own annotation.
const owned System = "the controller"

// keep says that pods, and what a ServiceAccount has besides, stay as they are, because the
// controller's annotation there is not understood: it could be for the same role.
func (c *converter) keep(k key, users []*workload) {
	const until = "nothing of %s by %s is converted until %s of the ServiceAccount %s is corrected"
	if other := orElse(c.irsaAccount(c.accounts[k]), c.associated[k]); other != nil {
		c.open(c.accounts[k], nil, until, other.role, other.system, api.RoleAnnotation, k)
	}
	for _, w := range users {
		if w.wants != nil {
			c.open(w.object, w.wants.node, until, w.wants.role, w.wants.system, api.RoleAnnotation, k)
		}
	}
}

// accountRequest returns what a ServiceAccount itself requests, nil if nothing, and whether
// that is understood.
func (c *converter) accountRequest(k key) (*request, bool) {
	o := c.accounts[k]
	if o == nil {
		return c.associated[k], true
	}
	irsa := c.irsaAccount(o)
	if value, has := o.annotation(api.RoleAnnotation); has {
		own := c.ownRequest(o, value)
		if own == nil {
			return nil, false
		}
		if irsa != nil {
			own.remove = irsa.remove
		}
		own.beside = orElse(irsa, c.associated[k])
		return own, true
	}
	if associated := c.associated[k]; irsa != nil && associated != nil && !irsa.same(associated) {
		c.note(o, irsa.node, "it has %s by IRSA and %s by EKS Pod Identity: SDKs use the first, and so does this", irsa, associated)
	}
	return orElse(irsa, c.associated[k]), true
}

// ownRequest returns what a ServiceAccount requests by the controller's own annotation, nil
// if that is malformed.
func (c *converter) ownRequest(o *object, value string) *request {
	own, err := c.parseOwn(o, value)
	if err != nil {
		c.open(o, nil, "%v", err)
		return nil
	}
	return own
}

// common returns the request of all workloads that use a ServiceAccount, nil if they
// differ, or if pods that are not known may use it.
func (c *converter) common(k key, users []*workload) *request {
	if len(c.unknown[k]) > 0 || c.isUsed(k) {
		return nil
	}
	return agreed(k, users)
}

// agreed is the same for the workloads alone.
func agreed(k key, users []*workload) *request {
	if k.name == defaultAccount || len(users) == 0 {
		return nil
	}
	reference := users[0].wants
	for _, w := range users {
		if w.wants != nil && w.wants.session != 0 {
			reference = w.wants
		}
	}
	for _, w := range users {
		if w.wants == nil || !w.wants.same(reference) {
			return nil
		}
	}
	return reference
}

// old returns what a ServiceAccount has by a system other than the controller, nil if
// nothing.
func (r *request) old() *request {
	switch {
	case r == nil:
		return nil
	case r.system == owned:
		return r.beside
	default:
		return r
	}
}

// split gives a workload a ServiceAccount with its role, in the place of another one
// that it shares.
func (c *converter) split(from key, w *workload, taken map[key]*request) error {
	to := key{from.namespace, accountFor(from, w.wants, taken)}
	account := c.account(to, w.wants, from.name)
	if taken[to] == nil {
		taken[to] = w.wants
		if err := c.create(to, w, w.wants, account); err != nil {
			return err
		}
		c.bind(from, to)
	}
	named := manifest.String(w.pod, "serviceAccountName") + manifest.String(w.pod, "serviceAccount")
	c.use(w, to.name)
	w.wants.remove()
	account.Workloads = append(account.Workloads, Workload{Kind: w.kind, Name: w.name, Changed: true, Wired: true, Unnamed: named == ""})
	return nil
}

// account returns the ServiceAccount in the result, which it adds if need be.
func (c *converter) account(k key, has *request, from string) *Account {
	for _, a := range c.result.Accounts {
		if a.Namespace == k.namespace && a.Name == k.name {
			return a
		}
	}
	a := &Account{Namespace: k.namespace, Name: k.name, Role: has.role, System: has.system, From: from}
	c.result.Accounts = append(c.result.Accounts, a)
	return a
}
