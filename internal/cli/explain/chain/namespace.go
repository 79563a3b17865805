package chain

import "kube-aws-iam-controller/internal/cli/finding"

var namespaceRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Namespace.Unknown != "" {
			return unknown(f.Namespace.Unknown)
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Namespace.Value == nil {
			return broken("the namespace "+f.Key.Namespace+" does not exist", "kubectl get namespaces")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.Namespace.Value.DeletionTimestamp != nil {
			return broken("the namespace "+f.Key.Namespace+" is being deleted", "use another namespace")
		}
		return nil
	},
	sound("exists"),
}

// namesServiceAccount reports whether the ServiceAccount is known, or hidden only by
// the user's permissions: a pod that does not exist has none.
func namesServiceAccount(f *Facts) bool {
	return isServiceAccount(f) && (f.Key.Name != "" || f.Pod.Unknown != "")
}
