package api

// Tags of managed roles. Those for the cluster, the namespace and the ServiceAccount
// are session tags, too: EKS Pod Identity has the same keys, see
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
const (
	ManagedByTag      = "managed-by"
	ClusterTag        = "kubernetes-cluster"
	NamespaceTag      = "kubernetes-namespace"
	ServiceAccountTag = "kubernetes-service-account"
	// ClusterUIDTag is the UID of the Namespace kube-system, which tells apart two
	// clusters of one name.
	ClusterUIDTag = "kubernetes-cluster-uid"
	// RetainedTag is on roles that their ServiceAccount left behind on purpose.
	RetainedTag = "retained"
)

// PodUIDTag is a session tag of EKS Pod Identity, by which its sessions are known.
const PodUIDTag = "kubernetes-pod-uid"
