package convert

// findKept finalizes all changes, and reports whether it found further documents whose
// changes cannot be written. These have to stay as they are.
func (c *converter) findKept() (more bool) {
	for _, file := range c.files {
		for _, doc := range file.Documents {
			if doc.Err != nil || c.kept[doc] != nil {
				continue
			}
			if err := doc.Render(); err != nil {
				c.kept[doc], more = err, true
			}
		}
	}
	return more
}

// isKept reports whether an object stays as it is.
func (c *converter) isKept(o *object) bool { return c.kept[o.doc] != nil }

// keepOld leaves pods what they have, and says so if that should have been removed.
// Their ServiceAccount can still give them the role.
func (c *converter) keepOld(w *workload) {
	if !c.RemoveOld && w.wants.system != AWSIAMRole {
		return
	}
	w.wants.remove = func() {
		c.open(w.object, w.wants.node, "its pods keep %s by %s, because their document cannot be changed: remove that by hand", w.wants, w.wants.system)
	}
}

// areKept reports whether all pods of a ServiceAccount keep Secrets of AWSIAMRoles, which
// need no role of the ServiceAccount.
func (c *converter) areKept(users []*workload) bool {
	for _, w := range users {
		if !c.isKept(w.object) || w.wants == nil || w.wants.system != AWSIAMRole {
			return false
		}
	}
	return true
}
