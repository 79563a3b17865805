package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/ekswebhook"
)

// checkAWS says which AWS identity the controller has, as far as that can be known from
// the cluster, and whether it works.
func checkAWS(f *facts) []finding.Finding {
	const check = "aws"
	who := f.awsIdentity()
	issued := f.lastIssued()
	if failure := f.noCredentials(issued); failure != "" {
		return broken(check, cmp.Or(who, "the controller's AWS identity is not known")+": "+failure, "give it credentials: docs/credentials.md")
	}
	switch {
	case !issued.IsZero():
		return ok(check, "%s; credentials were issued last %s ago", cmp.Or(who, "which AWS identity the controller has is not known from the cluster"), duration.HumanDuration(max(f.now.Sub(issued), 0)))
	case f.issued.err != nil:
		return unseen(check, "list Secrets, which show when credentials were issued", f.issued.err)
	case f.warnings.err != nil:
		return unseen(check, "list Events, which show what AWS answered", f.warnings.err)
	}
	return warning(check, cmp.Or(who, "which AWS identity the controller has is not known from the cluster")+"; no credentials were issued yet, so nothing shows that it works",
		"annotate a ServiceAccount: docs/install.md")
}

// awsIdentity describes where the controller's AWS credentials come from, "" if that is
// not known.
func (f *facts) awsIdentity() string {
	if c := f.controller(); c != nil {
		if c.ConfigError == nil && c.Config.CredentialsFile != "" {
			return "the controller reads its AWS credentials from " + c.Config.CredentialsFile
		}
		for _, variable := range c.Container.Env {
			if variable.Name == "AWS_ROLE_ARN" && variable.Value != "" {
				return "the controller is the role " + variable.Value + " by web identity"
			}
		}
		if c.ConfigError == nil && c.Config.ControllerRoleARN != "" {
			return "the controller is the role " + c.Config.ControllerRoleARN
		}
	}
	if f.account.value != nil {
		if arn := f.account.value.Annotations[api.IRSAAnnotation]; arn != "" {
			return "the controller is the role " + arn + " by IRSA"
		}
	}
	return ""
}

// noCredentials returns what an event since the last issue says about the controller's
// own credentials, "" for nothing.
func (f *facts) noCredentials(issued time.Time) (message string) {
	var latest time.Time
	for i := range f.warnings.value {
		event := &f.warnings.value[i]
		at := lastSeen(event)
		if strings.Contains(event.Message, awserr.ControllerHasNone) && at.After(issued) && !at.Before(latest) {
			latest, message = at, event.Message
		}
	}
	return message
}

func lastSeen(event *corev1.Event) time.Time {
	if event.LastTimestamp.IsZero() {
		return event.CreationTimestamp.Time
	}
	return event.LastTimestamp.Time
}

// lastIssued returns when credentials were issued last, the zero Time if that is not
// known.
func (f *facts) lastIssued() time.Time {
	var last time.Time
	for i := range f.issued.value {
		annotations := f.issued.value[i].Annotations
		expiration, err := time.Parse(time.RFC3339, annotations[api.ExpirationAnnotation])
		session, sessionErr := time.ParseDuration(annotations[api.SessionDurationAnnotation] + "s")
		if err == nil && sessionErr == nil && expiration.Add(-session).After(last) {
			last = expiration.Add(-session)
		}
	}
	return last
}

const eksWebhook = "pod-identity-webhook"

// others are what else gives pods AWS credentials, by words in the names of their images
// or objects.
var others = []struct{ word, name, consequence string }{
	{"kube2iam", "kube2iam", "pods with its annotation get credentials from the node's metadata address, and SDKs try ours first"},
	{"kiam", "kiam", "pods with its annotation get credentials from the node's metadata address, and SDKs try ours first"},
	{eksWebhook, "the webhook of EKS for IRSA", "ServiceAccounts with eks.amazonaws.com/role-arn are its: annotate each ServiceAccount for one of them only"},
	{"eks-pod-identity-agent", "the agent of EKS Pod Identity", "ServiceAccounts with an association are its: give each ServiceAccount one or the other"},
}

func checkOthers(f *facts) []finding.Finding {
	const check = "others"
	var all []finding.Finding
	for _, o := range others {
		if where := f.find(o.word); where != "" {
			all = append(all, warning(check, fmt.Sprintf("%s is installed (%s): %s", o.name, where, o.consequence), "see docs/migration.md")...)
		}
	}
	if f.daemonSets.err != nil {
		all = append(all, unseen(check, "list DaemonSets, among which kube2iam, kiam and EKS Pod Identity would be", f.daemonSets.err)...)
	}
	if f.deployments.err != nil {
		all = append(all, unseen(check, "list Deployments, among which other controllers would be", f.deployments.err)...)
	}
	if f.webhooks.err != nil {
		all = append(all, unseen(check, "list MutatingWebhookConfigurations, among which the webhook of EKS would be", f.webhooks.err)...)
	}
	if len(all) == 0 {
		return ok(check, "nothing else was found that gives pods AWS credentials")
	}
	return all
}

// find returns the first object with a word in its name or that of an image, as
// kind namespace/name, "" if there is none.
func (f *facts) find(word string) string {
	for i := range f.daemonSets.value {
		d := &f.daemonSets.value[i]
		if mentions(word, d.Name, &d.Spec.Template.Spec) {
			return "DaemonSet " + d.Namespace + "/" + d.Name
		}
	}
	for i := range f.deployments.value {
		d := &f.deployments.value[i]
		if mentions(word, d.Name, &d.Spec.Template.Spec) {
			return "Deployment " + d.Namespace + "/" + d.Name
		}
	}
	for i := range f.webhooks.value {
		w := &f.webhooks.value[i]
		if strings.Contains(w.Name, word) || word == eksWebhook && ekswebhook.Is(w) {
			return "MutatingWebhookConfiguration " + w.Name
		}
	}
	return ""
}

func mentions(word, name string, pods *corev1.PodSpec) bool {
	return strings.Contains(name, word) || slices.ContainsFunc(pods.Containers, func(c corev1.Container) bool {
		return strings.Contains(c.Image, word)
	})
}
