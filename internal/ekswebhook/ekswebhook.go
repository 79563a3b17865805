// Package ekswebhook recognizes the webhook of EKS, which reads eks.amazonaws.com/role-arn,
// in whichever way it was installed.
package ekswebhook

import (
	"net/url"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// names are those of the webhook on EKS, in the manifests of its authors, which most charts
// follow, and on OpenShift:
// https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml,
// https://github.com/openshift/cloud-credential-operator/blob/master/manifests.
var names = []string{"iam-for-pods.amazonaws.com", "pod-identity-webhook.amazonaws.com", "pod-identity-webhook.aws.mutate.io"}

// installed are the names of its configuration and Service. Webhooks of other clouds have
// them, too, on OpenShift: the path tells them apart.
var installed = []string{"pod-identity-webhook", "amazon-eks-pod-identity-webhook", "aws-pod-identity-webhook", "iam-for-pods"}

// path is where it serves. That of Azure's and Google's is /mutate-v1-pod.
const path = "/mutate"

// skipLabel is the label of pods that it passes over.
const skipLabel = "eks.amazonaws.com/skip-pod-identity-webhook"

// Is reports whether a configuration is of the webhook of EKS.
func Is(c *admissionregistrationv1.MutatingWebhookConfiguration) bool {
	return slices.ContainsFunc(c.Webhooks, func(w admissionregistrationv1.MutatingWebhook) bool {
		return slices.Contains(names, w.Name) || selects(w.ObjectSelector) || calls(c.Name, &w.ClientConfig)
	})
}

func selects(s *metav1.LabelSelector) bool {
	return s != nil && slices.ContainsFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return r.Key == skipLabel })
}

// calls reports whether what is called is the program of EKS.
func calls(configuration string, c *admissionregistrationv1.WebhookClientConfig) bool {
	if c.Service != nil {
		named := slices.Contains(installed, configuration) || slices.Contains(installed, c.Service.Name)
		return named && c.Service.Path != nil && *c.Service.Path == path
	}
	if c.URL == nil || !slices.Contains(installed, configuration) {
		return false
	}
	address, err := url.Parse(*c.URL)
	return err == nil && address.Path == path
}
