package chain

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/admission"
)

// wiring is how much of what its ServiceAccount requests a pod has been given.
type wiring int

const (
	// nothing also applies to a pod that wants nothing.
	nothing wiring = iota
	// outdated is a pod that lacks some variable.
	outdated
	wired
)

// given returns how much the pod has been given. The controller's own injection says
// what is missing, and its error why it would refuse the pod.
func (f *Facts) given() (wiring, error) {
	if !podIsGiven(f) {
		return nothing, nil
	}
	return f.wiringOf(f.Pod.Value)
}

func (f *Facts) wiringOf(object *corev1.Pod) (wiring, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nothing, err
	}
	pod, err := admission.Read(text)
	if err != nil {
		return nothing, err
	}
	injection := *f.Request().Injection
	patch, err := admission.Inject(pod, injection, f.settings())
	switch has := hasVolume(object, injection.SecretName); {
	case !has:
		return nothing, err
	case len(patch) > 0:
		return outdated, nil
	default: // what would be refused today works all the same
		return wired, nil
	}
}

// settings are those of the installation, as far as they are known. Without an image every
// pod with the delivery endpoint would count as refused.
func (f *Facts) settings() admission.Settings {
	cfg, _ := f.Config()
	settings := admission.Settings{Sidecar: admission.Sidecar{Image: "any"}}
	if f.Admission.Policy.Value == nil && f.Admission.Webhook.Value != nil { // the policy has settings of its own
		settings.DefaultRegion = cfg.DefaultRegion
	}
	return settings
}

// hasVolume reports whether a pod has the volume that admission adds.
func hasVolume(pod *corev1.Pod, secret string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == admission.VolumeName && v.Secret != nil && v.Secret.SecretName == secret
	})
}

// ownVolume reports whether the pod has another volume of that name.
func (f *Facts) ownVolume() bool {
	secret := f.Request().Injection.SecretName
	return slices.ContainsFunc(f.Pod.Value.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == admission.VolumeName }) &&
		!hasVolume(f.Pod.Value, secret)
}
