package api

// Tags of managed roles. Those of the cluster, the namespace and the ServiceAccount
// are also session tags, with the keys of EKS Pod Identity:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
const (
	ManagedByTag      = "managed-by"
	ClusterTag        = "kubernetes-cluster"
	NamespaceTag      = "kubernetes-namespace"
	ServiceAccountTag = "kubernetes-service-account"
	// ClusterUIDTag is the UID of the Namespace kube-system. It distinguishes clusters
	// of the same name.
	ClusterUIDTag = "kubernetes-cluster-uid"
	// RetainedTag marks roles that were kept when their ServiceAccount was deleted.
	RetainedTag = "retained"
)

// PodUIDTag is a session tag that only EKS Pod Identity sets.
const PodUIDTag = "kubernetes-pod-uid"
