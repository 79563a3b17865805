package chain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

// patience is how long a pod may be pending before that is reported.
const patience = time.Minute

var kubeletRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Pod.Value.DeletionTimestamp == nil {
			return nil
		}
		return warning("the pod is being deleted", "explain its successor: kubectl get pods --namespace "+f.Key.Namespace)
	},
	func(f *Facts) *finding.Finding {
		for _, c := range f.Pod.Value.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				return broken("no node runs the pod: "+c.Message, f.describe())
			}
		}
		return nil
	},
	// The kubelet tries again with growing intervals, so the event may be older than the Secret.
	func(f *Facts) *finding.Finding {
		event := f.podEvent(corev1.EventTypeWarning, "FailedMount", f.SecretName())
		if event == nil || f.Pod.Value.Status.Phase != corev1.PodPending {
			return nil
		}
		if f.Secret.Value != nil {
			return warning("the kubelet has not looked for the Secret again yet: "+event.Message, "wait for two minutes")
		}
		return broken("the kubelet waits: "+event.Message, "see the first broken link")
	},
	func(f *Facts) *finding.Finding {
		if f.Pod.Value.Status.Phase != corev1.PodFailed {
			return nil
		}
		return warning("the pod has failed: "+strings.TrimSpace(f.Pod.Value.Status.Reason+" "+f.Pod.Value.Status.Message), f.describe())
	},
	func(f *Facts) *finding.Finding {
		for _, status := range slices.Concat(f.Pod.Value.Status.InitContainerStatuses, f.Pod.Value.Status.ContainerStatuses) {
			if status.Name == admission.SidecarName {
				continue // has a link of its own
			}
			if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing" {
				return warning(fmt.Sprintf("the container %s does not run: %s %s", status.Name, waiting.Reason, waiting.Message), f.describe())
			}
		}
		return nil
	},
	// Whatever it is, it is not our Secret.
	func(f *Facts) *finding.Finding {
		waits := f.Now.Sub(f.Pod.Value.CreationTimestamp.Time)
		if f.Pod.Value.Status.Phase != corev1.PodPending || waits < patience {
			return nil
		}
		why := "nothing says why"
		if event := f.podEvent(corev1.EventTypeWarning, "", ""); event != nil {
			why = event.Reason + ": " + event.Message
		}
		return warning(fmt.Sprintf("the pod has been pending for %s: %s", duration.HumanDuration(waits), why), f.describe())
	},
	func(f *Facts) *finding.Finding {
		return ok("the pod is " + strings.ToLower(string(f.Pod.Value.Status.Phase)))
	},
}

func (f *Facts) describe() string {
	return fmt.Sprintf("kubectl describe pod %s --namespace %s", f.Pod.Value.Name, f.Pod.Value.Namespace)
}

// podEvent returns the latest event on the pod with a type and a reason, "" for any,
// whose message has some text.
func (f *Facts) podEvent(kind, reason, text string) *corev1.Event {
	for i := range f.PodEvents.Value {
		event := &f.PodEvents.Value[i]
		if event.Type == kind && (reason == "" || event.Reason == reason) && strings.Contains(event.Message, text) {
			return event
		}
	}
	return nil
}

func hasSidecar(f *Facts) bool {
	injection := f.Request().Injection
	return hasPod(f) && isServiceAccount(f) && injection != nil && injection.Delivery == identity.DeliverEndpoint && podHasCredentials(f)
}

var sidecarRules = []rule{
	// The other containers start after it.
	func(f *Facts) *finding.Finding {
		i := slices.IndexFunc(f.Pod.Value.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == admission.SidecarName })
		if i < 0 {
			return ok("the kubelet has not said anything about it yet")
		}
		status := f.Pod.Value.Status.InitContainerStatuses[i]
		switch {
		case status.Started != nil && *status.Started:
			return ok("runs")
		case status.State.Waiting != nil:
			return broken(fmt.Sprintf("the container %s does not run: %s %s", status.Name, status.State.Waiting.Reason, status.State.Waiting.Message), f.describe())
		default:
			return broken(fmt.Sprintf("the container %s runs and is not ready", status.Name),
				fmt.Sprintf("kubectl logs %s --namespace %s --container %s", f.Pod.Value.Name, f.Pod.Value.Namespace, status.Name))
		}
	},
}

func usesProcess(f *Facts) bool {
	injection := f.Request().Injection
	return isServiceAccount(f) && injection != nil && injection.Delivery == identity.DeliverProcess && podHasCredentials(f)
}

// noShell are the messages of container runtimes and SDKs about an image that lacks a
// shell or cat, with which credential_process reads the file.
var noShell = []string{
	`exec: "sh"`, `exec: "cat"`, `"/bin/sh": stat`, "spawn /bin/sh ENOENT", `No such file or directory: 'cat'`, `Cannot run program "sh"`, `exec: "/bin/sh"`,
}

var processRules = []rule{
	func(f *Facts) *finding.Finding {
		said := f.saidByContainers()
		for _, words := range noShell {
			i := slices.IndexFunc(said, func(message string) bool { return strings.Contains(message, words) })
			if i >= 0 {
				return broken("the image has no shell or no cat, which the delivery process needs: "+identity.Cut(said[i]),
					fmt.Sprintf("kubectl annotate serviceaccount %s --namespace %s --overwrite %s=endpoint, and create the pod again", f.Key.Name, f.Key.Namespace, api.DeliveryAnnotation))
			}
		}
		return nil
	},
	func(*Facts) *finding.Finding { return nil },
}

// saidByContainers returns what the kubelet, and programs in their termination messages,
// said about the containers.
func (f *Facts) saidByContainers() (said []string) {
	for _, s := range slices.Concat(f.Pod.Value.Status.InitContainerStatuses, f.Pod.Value.Status.ContainerStatuses) {
		for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
			if state.Terminated != nil {
				said = append(said, state.Terminated.Message)
			}
			if state.Waiting != nil {
				said = append(said, state.Waiting.Message)
			}
		}
	}
	for i := range f.PodEvents.Value {
		said = append(said, f.PodEvents.Value[i].Message)
	}
	return said
}
