package api

// Names of the variables in annotations of ServiceAccounts. $(namespace) stands for the
// namespace of the ServiceAccount, and so on.
const (
	NamespaceVariable      = "namespace"
	ServiceAccountVariable = "serviceaccount"
	ClusterVariable        = "cluster"
	AccountVariable        = "account"
	PartitionVariable      = "partition"
	RegionVariable         = "region"
)
