package app

import (
	"os"
	"strings"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/sts"
)

// warnOfTags logs what the controller's own credentials cannot do with session tags.
func warnOfTags(logger log.Logger, assumer *sts.Assumer) {
	if caution := assumer.PodIdentityWarning(); caution != "" {
		level.Warn(logger).Log("msg", caution)
	}
}

// warnOfNoNamespace logs the consequences of not knowing the controller's namespace.
func warnOfNoNamespace(logger log.Logger, own string) {
	if own == "" {
		level.Warn(logger).Log("msg", "the controller's own namespace is not known, so nobody gets its own roles, "+
			"and credentials of them that exist are not renewed: set POD_NAMESPACE if the controller runs on such credentials")
	}
}

// ownNamespace returns the namespace of the Pod that the process runs in, "" outside a
// cluster. The namespaces of a kubeconfig and of the Lease are no substitute: they may
// be any, and whoever may write objects in the controller's namespace can be given the
// controller's own roles.
func ownNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	namespace, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(namespace))
}
