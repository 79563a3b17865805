package rights

import (
	"maps"
	"strings"
)

// A loss is what comes of a right that is taken away.
type loss struct {
	// steps fail, and none that they build on. For want of a watch none does, from these on.
	steps []string
	// without says it to people.
	without string
	// older says that it is lost on API servers that do not send lists through watches. client-go lists only there; it
	// is told that this is one.
	older bool
	// everywhere says that it is lost by a controller that serves all namespaces.
	everywhere bool
}

// losses are by right.
var losses = map[string]loss{
	"get awsiamroles.zalando.org": {
		steps: []string{"a Secret goes with its AWSIAMRole"}, without: "the Secret of a deleted AWSIAMRole is left to the garbage collector",
	},
	"list awsiamroles.zalando.org": {
		steps: []string{"an AWSIAMRole gets its Secret"}, without: "no AWSIAMRole is served", older: true,
	},
	"watch awsiamroles.zalando.org": {
		steps: []string{"it starts"}, without: "a new, changed or deleted AWSIAMRole is noticed only when all are listed again",
	},
	"patch awsiamroles.zalando.org/status": {
		steps: []string{"an AWSIAMRole shows its status"}, without: "no AWSIAMRole shows its role, its expiration or problems",
	},
	"get serviceaccounts": {
		steps:   []string{"a Secret goes with the annotation", "a role of one's own goes with its ServiceAccount"},
		without: "credentials and roles that are no longer asked for stay: nothing is deleted because of a cache alone",
	},
	"list serviceaccounts": {
		steps: []string{"a ServiceAccount gets its Secret"}, without: "no ServiceAccount is served", older: true,
	},
	"watch serviceaccounts": {
		steps: []string{"it starts"}, without: "a new, changed or deleted ServiceAccount is noticed only when all are listed again",
	},
	"patch serviceaccounts": {
		steps: []string{"a ServiceAccount shows its role", "a role of one's own is made"}, without: "no ServiceAccount shows its role, and no managed role is created, because the finalizer cannot be set",
	},
	"get namespaces": {
		steps:   []string{"a namespace that the watch does not show yet is asked about"},
		without: "the first ServiceAccounts of a new namespace wait until its rules are known from the watch; another cluster with the same name is not recognized", everywhere: true,
	},
	"list namespaces": {
		steps: []string{"a new rule of the namespace takes a Secret away"}, without: "changes of namespace rules are not noticed", older: true, everywhere: true,
	},
	"watch namespaces": {
		steps: []string{"it starts"}, without: "changes of namespace rules are noticed only when all are listed again", everywhere: true,
	},
	"get secrets": {
		steps:   []string{"an edited Secret is restored", "a Secret of the predecessor's is adopted"},
		without: "a Secret that somebody edited is not restored, and Secrets of the predecessor are not adopted",
	},
	"list secrets": {
		steps: []string{"a ServiceAccount gets its Secret"}, without: "nothing is served, because existing Secrets are not known", older: true,
	},
	"watch secrets": {
		steps: []string{"it starts"}, without: "an edited or deleted Secret is noticed only when all are listed again",
	},
	"create secrets": {
		steps: []string{"a ServiceAccount gets its Secret"}, without: "nobody gets credentials",
	},
	"patch secrets": {
		steps: []string{"another role brings other credentials"}, without: "credentials are not renewed and expire",
	},
	"delete secrets": {
		steps:   []string{"a new rule of the namespace takes a Secret away", "a Secret goes with the annotation"},
		without: "credentials that are no longer asked for, or no longer permitted, stay",
	},
	"list pods": {
		steps: []string{"a pod that waits is told"}, without: "a pod that waits for its Secret has no event that says why",
	},
	"create events": {
		steps: []string{"an event tells of it"}, without: "no events are recorded",
	},
	"patch events": {
		steps: []string{"an event that repeats is counted"}, without: "the count and time of an event that repeats are not updated",
	},
	"create leases.coordination.k8s.io": {
		steps: []string{"the first replica leads"}, without: "no replica becomes leader: nothing is served",
	},
	"get leases.coordination.k8s.io kube-aws-iam-controller": {
		steps: []string{"the first replica leads"}, without: "no replica becomes leader: nothing is served",
	},
	"update leases.coordination.k8s.io kube-aws-iam-controller": {
		steps: []string{"it takes over from one that is gone"}, without: "a leader loses the Lease, and no other replica takes over",
	},
	"update secrets kube-aws-iam-controller-webhook": {
		steps: []string{"a broken certificate is replaced"}, without: "the webhook's certificate is not renewed and expires",
	},
	"watch pods": {
		steps: []string{"the webhook starts"}, without: "a replica of an earlier version that comes back is noticed only when all are listed again, and refuses pods until then",
	},
	"get mutatingwebhookconfigurations.admissionregistration.k8s.io kube-aws-iam-controller-webhook": {
		steps: []string{"the webhook has a certificate"}, without: "the webhook has no certificate, and no pod is admitted",
	},
	"list mutatingwebhookconfigurations.admissionregistration.k8s.io kube-aws-iam-controller-webhook": {
		steps: []string{"the API server is told again whom to trust"}, without: "a `caBundle` that somebody overwrote stays, and no pod is admitted", older: true,
	},
	"watch mutatingwebhookconfigurations.admissionregistration.k8s.io kube-aws-iam-controller-webhook": {
		steps: []string{"the webhook starts"}, without: "a `caBundle` that somebody overwrote is noticed only when it is listed again",
	},
	"patch mutatingwebhookconfigurations.admissionregistration.k8s.io kube-aws-iam-controller-webhook": {
		steps: []string{"the API server trusts the webhook"}, without: "the API server does not trust the webhook, and no pod is admitted",
	},
	"create tokenreviews.authentication.k8s.io": {
		steps: []string{"who may read metrics reads them"}, without: "nobody can read metrics that require a token, because its owner is not known",
	},
	"create subjectaccessreviews.authorization.k8s.io": {
		steps: []string{"who may read metrics reads them"}, without: "nobody can read metrics that require a token, because the permissions of its owner are not known",
	},
}

// eksLosses are those of the component irsa-annotations.
var eksLosses = map[string]loss{
	"list mutatingwebhookconfigurations.admissionregistration.k8s.io": {
		steps: []string{"it does not run beside the webhook of EKS"}, without: "with `--irsa-annotations`, a controller beside the EKS Pod Identity webhook ([amazon-eks-pod-identity-webhook](https://github.com/aws/amazon-eks-pod-identity-webhook), which serves IRSA) starts all the same, with a line in its log",
	},
}

// oneNamespace are the losses of a controller with rights in one namespace.
func oneNamespace() map[string]loss {
	all := maps.Clone(losses)
	maps.DeleteFunc(all, func(right string, _ loss) bool {
		return strings.HasSuffix(right, "-webhook") || strings.HasSuffix(right, " namespaces") ||
			right == "watch pods" || strings.Contains(right, "reviews.")
	})
	all["get namespaces"] = loss{
		steps: []string{"a ServiceAccount gets its Secret"}, without: "nothing is issued, because the rules of the namespace are not known", older: true,
	}
	all["watch namespaces"] = loss{
		steps: []string{"it starts"}, without: "changes of the namespace rules are noticed only when the Namespace is read again",
	}
	return all
}
