package secrets

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// Read returns what the metadata of a Secret says about the credentials in it, for a
// process that has no cache of them. ours reports whether the controller may write the
// Secret; if it is false, it belongs to somebody else and the state is zero.
func Read(want identity.Desired, secret *metav1.ObjectMeta) (have refresh.State, ours bool) {
	if !isOurs(want, secret) {
		return refresh.State{}, false
	}
	return observe(want.Source, secret).State, true
}
