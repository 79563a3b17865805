package api

// InjectLabel on a Pod, with the value InjectDisabled, opts out of injection.
const (
	InjectLabel    = Prefix + "inject"
	InjectDisabled = "false"
)

// RequestsLabel on a ServiceAccount, with the value RequestsNone, marks one that
// requests no identity. The admission policy skips such ServiceAccounts, and adds
// and removes the label itself: see manifests/components/admission-policy.
const (
	RequestsLabel = Prefix + "requests"
	RequestsNone  = "none"
)

// Finalizer is on ServiceAccounts for which a managed role may exist.
const Finalizer = Prefix + "role"

// Labels of Secrets. Those of ServiceAccounts carry the first two, those of
// AWSIAMRoles the other two, which the controller's predecessor introduced.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	SourceLabel    = Prefix + "source"
	HeritageLabel  = "heritage"
	TypeLabel      = "type"
)
