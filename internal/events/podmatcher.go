package events

import (
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// podMatcher finds the identity for which a pod of one namespace waits.
type podMatcher struct {
	serviceAccounts, secrets map[string]*identity.Failed
}

func newPodMatcher(failed []identity.Failed) podMatcher {
	m := podMatcher{serviceAccounts: map[string]*identity.Failed{}, secrets: map[string]*identity.Failed{}}
	for i := range failed {
		u := &failed[i]
		m.secrets[u.SecretName] = u
		if u.Source == identity.ServiceAccount {
			m.serviceAccounts[u.Name] = u
		}
	}
	return m
}

// match returns the identity whose Secret a pending pod mounts or should have
// mounted, nil for none.
func (m podMatcher) match(pod *corev1.Pod) *identity.Failed {
	for i := range pod.Spec.Volumes {
		for _, name := range secretNames(&pod.Spec.Volumes[i]) {
			if u := m.secrets[name]; u != nil {
				return u
			}
		}
	}
	if pod.Labels[api.InjectLabel] == api.InjectDisabled {
		return nil
	}
	return m.serviceAccounts[pod.Spec.ServiceAccountName]
}

// secretNames returns the names of the Secrets in a volume.
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
