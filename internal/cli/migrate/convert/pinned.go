package convert

import (
	"slices"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// pinned returns an alias that repeats the name of the pods' ServiceAccount elsewhere,
// nil if there is none. A change of the name would also change that place, which nobody
// asked for.
func (w *workload) pinned() *node {
	var own []*node
	for _, field := range accountFields {
		_, value := manifest.Own(w.pod, field)
		own = append(own, value)
	}
	for _, value := range own {
		for _, alias := range w.doc.Aliases(value) {
			if !slices.Contains(own, alias) {
				return alias
			}
		}
	}
	return nil
}

// isStuck reports, and says, that the ServiceAccount of pods cannot be changed.
func (c *converter) isStuck(w *workload) bool {
	const cause = "its pods ask for %s and need a ServiceAccount of their own, but "
	alias := w.pinned()
	switch {
	case c.isKept(w.object):
		c.open(w.object, w.wants.node, cause+"their document cannot be changed: give them one by hand, and convert again", w.wants)
	case alias != nil:
		c.open(w.object, w.accountNode(), cause+"the name of theirs, %s, has an anchor that line %d uses as well: write the name out in both places",
			w.wants.role, w.account.name, w.doc.LineOf(alias))
	default:
		return false
	}
	return true
}

// movable returns the workloads that can leave a ServiceAccount that they share, and
// reports why the others cannot. If the others would then be alone with it, nobody
// leaves: the next conversion would take the ServiceAccount for theirs and give it
// their role, while pods of the workloads that left may still be running.
func (c *converter) movable(k key, has *request, users, leaving []*workload) (free []*workload) {
	left := slices.Clone(users)
	var pinned *workload
	for _, w := range leaving {
		if c.isStuck(w) {
			pinned = w
			continue
		}
		free = append(free, w)
		left = slices.DeleteFunc(left, func(other *workload) bool { return other == w })
	}
	if has != nil || pinned == nil || c.common(k, left) == nil {
		return free
	}
	for _, w := range free {
		c.open(w.object, w.wants.node, "its pods ask for %s and get a ServiceAccount of their own once %s (%s), with which they share %s, can be given one: change that first", w.wants.role, pinned, pinned.at(), k.name)
	}
	return nil
}
