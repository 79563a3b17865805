package chain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
)

// maxPods limits how many pods are listed by name.
const maxPods = 50

// examinePods returns a finding for each pod that uses the identity.
func examinePods(f *Facts) []finding.Finding {
	if f.Pods.Unknown != "" {
		found := unknown(f.Pods.Unknown)
		found.Check = "pods"
		return []finding.Finding{*found}
	}
	var all []finding.Finding
	for i := range f.Pods.Value {
		pod := &f.Pods.Value[i]
		if !f.Uses(pod) {
			continue
		}
		one := *f
		one.PodName, one.Pod.Value = pod.Name, pod
		found := examineUser(&one)
		found.Check = "pod " + pod.Name
		all = append(all, found)
	}
	if len(all) == 0 {
		return []finding.Finding{{Check: "pods", State: finding.OK, Message: "no pod uses it"}}
	}
	if n := len(all); n > maxPods {
		slices.SortStableFunc(all, byTrouble)
		all = append(all[:maxPods], finding.Finding{Check: "pods", State: finding.OK, Message: fmt.Sprintf("%d more", n-maxPods)})
	}
	return all
}

// byTrouble puts broken pods first.
func byTrouble(a, b finding.Finding) int {
	rank := func(f finding.Finding) int {
		return slices.Index([]finding.State{finding.Broken, finding.Unknown, finding.Warning, finding.OK}, f.State)
	}
	return rank(a) - rank(b)
}

// examineUser returns a finding about whether one pod has the credentials. A pod that
// opted out is not meant to.
func examineUser(f *Facts) finding.Finding {
	if isAWSIAMRole(f) {
		return *decide("", mountRules, f)
	}
	if !podIsGiven(f) {
		return finding.Finding{State: finding.OK, Message: "there is nothing to give"}
	}
	if f.Pod.Value.Labels[api.InjectLabel] == api.InjectDisabled {
		return finding.Finding{State: finding.OK, Message: "opted out by the label " + api.InjectLabel}
	}
	found := *decide("", injectionRules, f)
	if found.State == finding.OK {
		found.Message = "was given credentials"
	}
	return found
}

// Uses reports whether a pod uses the identity: it runs as the ServiceAccount, or has
// the Secret of the AWSIAMRole. Pods that have ended do not count.
func (f *Facts) Uses(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	if isServiceAccount(f) {
		return accountOf(pod) == f.Key.Name
	}
	return len(volumesOf(pod, f.SecretName())) > 0
}
