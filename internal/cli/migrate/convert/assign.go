package convert

import (
	"cmp"
	"maps"
	"slices"

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

// split gives a workload a ServiceAccount with its role, in place of one that it
// shares.
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
