package gather

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/crd"
	"kube-aws-iam-controller/internal/cli/explain/chain"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"
)

// account reads the ServiceAccount.
func (r *Reader) account(ctx context.Context, f *chain.Facts) {
	f.Account = r.metadata(ctx, serviceaccount.Resource, f.Key.Namespace, f.Key.Name)
}

// role reads the AWSIAMRole. Without its custom resource definition there is none.
func (r *Reader) role(ctx context.Context, f *chain.Facts) {
	role, err := r.clients.Roles.Namespace(f.Key.Namespace).Get(ctx, f.Key.Name, metav1.GetOptions{})
	f.Role = fact(request{"get", "awsiamroles", f.Key.Namespace}, role, err)
}

// dropped finds out which fields of AWSIAMRoles the cluster does not keep. Few users may
// see that, and it is no link of its own, so that others are not told of it.
func (r *Reader) dropped(ctx context.Context, f *chain.Facts) {
	if f.Role.Value == nil {
		return
	}
	installed, err := crd.Installed(ctx, r.clients.Core.Discovery().RESTClient())
	if err == nil && installed != nil {
		f.Dropped, _ = crd.MissingFields(installed) // an error is of the shipped one, which a test reads
	}
}

// otherIdentity looks for what a pod may have whose ServiceAccount requests nothing: the
// Secret of an AWSIAMRole, or a template that should name another ServiceAccount.
func (r *Reader) otherIdentity(ctx context.Context, f *chain.Facts) {
	for _, name := range secretVolumes(f.Pod.Value) {
		one := chain.Facts{Key: identity.Key{Source: identity.AWSIAMRole, Namespace: f.Key.Namespace, Name: name}}
		if r.role(ctx, &one); one.Role.Value != nil {
			f.Key, f.Role = one.Key, one.Role
			return
		}
	}
	list, err := r.clients.Metadata.Resource(serviceaccount.Resource).Namespace(f.Key.Namespace).List(ctx, metav1.ListOptions{})
	f.Askers = as(fact(request{"list", "serviceaccounts", f.Key.Namespace}, list, err), func(list *metav1.PartialObjectMetadataList) []string { return askers(f, list) })
}

// askers returns the ServiceAccounts of a list that request an identity.
func askers(f *chain.Facts, list *metav1.PartialObjectMetadataList) (names []string) {
	for i := range list.Items {
		if f.Requests(&list.Items[i]) {
			names = append(names, list.Items[i].Name)
		}
	}
	return names
}

// secretVolumes returns the Secrets in the volumes of a pod.
func secretVolumes(pod *corev1.Pod) (names []string) {
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			names = append(names, v.Secret.SecretName)
		}
		if v.Projected == nil {
			continue
		}
		for _, source := range v.Projected.Sources {
			if source.Secret != nil {
				names = append(names, source.Secret.Name)
			}
		}
	}
	return names
}

// about selects the events on an object, and not on an earlier one of its name.
func about(kind string, object metav1.Object) fields.Set {
	return fields.Set{"involvedObject.kind": kind, "involvedObject.name": object.GetName(), "involvedObject.uid": string(object.GetUID())}
}

// reported selects what the controller, and nobody else, reports of the object that
// requests the identity.
func reported(f *chain.Facts) fields.Set {
	_, kind := f.Key.Source.Owner()
	selector := fields.Set{"involvedObject.kind": kind, "involvedObject.name": f.Key.Name}
	switch {
	case f.Account.Value != nil:
		selector = about(kind, f.Account.Value)
	case f.Role.Value != nil:
		selector = about(kind, f.Role.Value)
	}
	selector["source"] = api.ControllerName
	return selector
}

// events returns the selected events, latest first.
func (r *Reader) events(ctx context.Context, namespace string, selector fields.Set) chain.Fact[[]corev1.Event] {
	list, err := r.clients.Core.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: selector.String()})
	return as(fact(request{"list", "events", namespace}, list, err), func(list *corev1.EventList) []corev1.Event {
		slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return chain.LastSeen(&b).Compare(chain.LastSeen(&a)) })
		return list.Items
	})
}

// refusals returns the events about pods that could not be created, latest first: those of
// the objects that would have created the pod of a name, "" for all.
func (r *Reader) refusals(ctx context.Context, namespace, pod string) chain.Fact[[]corev1.Event] {
	found := r.events(ctx, namespace, fields.Set{"reason": "FailedCreate"})
	found.Value = slices.DeleteFunc(found.Value, func(e corev1.Event) bool { return pod != "" && !related(pod, e.InvolvedObject.Name) })
	return found
}

// related reports whether an object creates pods of a name, or one of its names begins the
// other, as a person abbreviates it.
func related(pod, owner string) bool {
	return pod == owner || strings.HasPrefix(pod, owner+"-") || strings.HasPrefix(owner, pod+"-")
}

// keys reads the names of the variables that containers take from ConfigMaps and Secrets,
// by what the API server records of who wrote them: the values are not read.
func (r *Reader) keys(ctx context.Context, f *chain.Facts) {
	f.Keys = map[string]chain.Fact[[]string]{}
	for _, source := range chain.Sources(f.Pod.Value) {
		kind, name, _ := strings.Cut(source, "/")
		object := r.metadata(ctx, corev1.SchemeGroupVersion.WithResource(kind+"s"), f.Key.Namespace, name)
		f.Keys[source] = as(object, func(object *metav1.PartialObjectMetadata) []string {
			if object == nil { // the kubelet waits for it, unless it is optional
				return nil
			}
			return writtenKeys(object.ManagedFields)
		})
		if object.Value != nil && len(object.Value.ManagedFields) == 0 {
			f.Keys[source] = chain.Fact[[]string]{Unknown: "the API server does not tell the keys of " + source + " without their values"}
		}
	}
}

// writtenKeys returns the keys of data that somebody wrote and that are still there.
func writtenKeys(entries []metav1.ManagedFieldsEntry) (keys []string) {
	for _, entry := range entries {
		var written struct {
			Data map[string]json.RawMessage `json:"f:data"`
		}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &written) != nil {
			continue
		}
		for field := range written.Data {
			if key, is := strings.CutPrefix(field, "f:"); is {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
