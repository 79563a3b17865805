package api

// InjectLabel on a Pod, with the value "false", leaves it alone.
const InjectLabel = Prefix + "inject"

// RequestsLabel on a ServiceAccount, with the value RequestsNone, says that it asks
// for no identity. The admission policy passes over such ServiceAccounts, and puts
// the label on and takes it off: see manifests/components/admission-policy.
const (
	RequestsLabel = Prefix + "requests"
	RequestsNone  = "none"
)

// Finalizer is on ServiceAccounts for which a managed role may be there.
const Finalizer = Prefix + "role"

// Labels of Secrets. Those of ServiceAccounts have the first two, those of
// AWSIAMRoles the other two, as the controller's predecessor wrote them.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	SourceLabel    = Prefix + "source"
	HeritageLabel  = "heritage"
	TypeLabel      = "type"
)
