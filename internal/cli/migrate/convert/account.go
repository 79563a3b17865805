package convert

import "kube-aws-iam-controller/internal/identity"

// An Account is a ServiceAccount that gets a role.
type Account struct {
	Namespace, Name string
	System          System
	Role            identity.RoleReference
	// Created reports that there was none among the manifests, From the ServiceAccount
	// in whose place it is used, "" for none.
	Created bool
	From    string
	// Workloads run as it.
	Workloads []Workload
	// Done reports that it had the role before.
	Done bool
}

// A Workload is an object with pods that run as an Account.
type Workload struct {
	Kind, Name string
	// Changed reports that the object itself changes, so that applying it replaces its
	// pods.
	Changed bool
	// Wired reports that the object itself says what its pods had before, so that
	// applying it replaces them once that is removed.
	Wired bool
	// Unnamed reports that its pods named no ServiceAccount.
	Unnamed bool
}

// String returns kind/name.
func (w Workload) String() string { return w.Kind + "/" + w.Name }
