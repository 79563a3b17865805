package convert

import "slices"

// request finds out what each workload requests.
func (c *converter) request() {
	for _, w := range c.workloads {
		var all []*request
		for _, recognise := range []func(*workload) *request{c.wiredWebIdentity, c.wiredRole, c.annotated} {
			if found := recognise(w); found != nil {
				all = append(all, found)
			}
		}
		if len(all) == 0 {
			continue
		}
		if wrong := w.misnamed(); wrong != nil {
			c.leave(w.object, wrong)
			continue
		}
		if i := slices.IndexFunc(all, func(r *request) bool { return r.role != all[0].role }); i > 0 {
			c.open(w.object, all[i].node, "its pods have two roles, %s by %s and %s by %s: remove the one that is not used", all[0].role, all[0].system, all[i].role, all[i].system)
			continue
		}
		if wired := all[0].system != Annotation; w.doc.Shared(w.pod) || wired && w.isShared() {
			c.open(w.object, w.pod, "the pods of several objects are written once, with anchors and aliases or merge keys: write out what is to differ, the ServiceAccount and the credentials")
			continue
		}
		if i := slices.IndexFunc(all, func(r *request) bool { return r.sessionPolicy != all[0].sessionPolicy }); i > 0 {
			c.open(w.object, all[i].node, "its pods have %s by %s and %s by %s: remove the one that is not used", all[0], all[0].system, all[i], all[i].system)
			continue
		}
		w.wants = merge(all)
		if c.isKept(w.object) {
			c.keepOld(w)
		}
		c.noteKeys(w)
	}
}

// merge returns requests for the same role as one.
func merge(all []*request) *request {
	merged := *all[0]
	merged.remove = func() {
		for _, r := range all {
			r.remove()
		}
	}
	if i := slices.IndexFunc(all, func(r *request) bool { return r.session != 0 }); i > 0 {
		merged.session = all[i].session
	}
	return &merged
}
