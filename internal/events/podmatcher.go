package events

import (
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// awaited finds the identity that a pod of one namespace waits for.
type podMatcher struct {
	accounts, secrets map[string]*identity.Unserved
}

func newPodMatcher(unserved []identity.Unserved) podMatcher {
	a := podMatcher{accounts: map[string]*identity.Unserved{}, secrets: map[string]*identity.Unserved{}}
	for i := range unserved {
		u := &unserved[i]
		a.secrets[u.SecretName] = u
		if u.Source == identity.ServiceAccount {
			a.accounts[u.Name] = u
		}
	}
	return a
}

// of returns the identity whose Secret a pending pod mounts, or was meant to, nil
// for none.
func (a podMatcher) match(pod *corev1.Pod) *identity.Unserved {
	for i := range pod.Spec.Volumes {
		for _, name := range secretNames(&pod.Spec.Volumes[i]) {
			if u := a.secrets[name]; u != nil {
				return u
			}
		}
	}
	if pod.Labels[api.InjectLabel] == api.InjectDisabled {
		return nil
	}
	return a.accounts[pod.Spec.ServiceAccountName]
}

// secretsOf returns the names of the Secrets that a volume shows.
func secretNames(volume *corev1.Volume) (names []string) {
	if volume.Secret != nil {
		names = append(names, volume.Secret.SecretName)
	}
	if volume.Projected != nil {
		for _, source := range volume.Projected.Sources {
			if source.Secret != nil {
				names = append(names, source.Secret.Name)
			}
		}
	}
	return names
}
