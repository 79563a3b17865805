package convert

import (
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// Annotations of Pods that kube2iam and kiam read:
// https://github.com/jtblin/kube2iam/blob/master/cmd/main.go,
// https://github.com/uswitch/kiam/blob/master/pkg/k8s/types.go.
const (
	podRole        = api.Prefix + "role"
	podExternalID  = api.Prefix + "external-id"
	podSessionName = api.Prefix + "session-name"
)

// podAnnotations are those that a converted pod needs no longer.
var podAnnotations = []string{podRole, podExternalID, podSessionName}

// annotated returns what the annotations of kube2iam and kiam on the pods request.
func (c *converter) annotated(w *workload) *request {
	metadata := manifest.At(w.template, "metadata")
	annotations := manifest.At(metadata, "annotations")
	for _, name := range podAnnotations {
		c.claim(annotations, name)
	}
	at := manifest.At(annotations, podRole)
	if at == nil {
		return nil
	}
	wants, err := c.newRequest(Annotation, manifest.String(annotations, podRole), at)
	if err != nil {
		c.open(w.object, at, "%s: %v", podRole, err)
		return nil
	}
	c.lost(w, annotations)
	wants.remove = func() {
		if c.RemoveOld && !c.isUnserved(w, Annotation) && c.own(w, metadata, annotations, podAnnotations) {
			w.doc.Remove(metadata, "annotations", podAnnotations...)
		}
	}
	return wants
}

// lost notes what such pods had and cannot keep.
func (c *converter) lost(w *workload, annotations *node) {
	if id := manifest.At(annotations, podExternalID); id != nil {
		c.note(w.object, id, "%s: %q cannot be kept, because the external ID follows from namespace and cluster: "+
			"add the statement for this role to its trust policy, beside the one with this external ID", podExternalID, id.Value)
	}
	if name := manifest.At(annotations, podSessionName); name != nil {
		c.note(w.object, name, "%s: %q cannot be kept, because sessions are named after namespace and ServiceAccount: "+
			"look for policies and alarms that name the session", podSessionName, name.Value)
	}
}

// own reports whether the annotations can be removed here.
func (c *converter) own(w *workload, metadata, annotations *node, names []string) bool {
	_, direct := manifest.Own(metadata, "annotations")
	for _, name := range names {
		value := manifest.At(annotations, name)
		if _, own := manifest.Own(annotations, name); value != nil && (own == nil || direct == nil || w.doc.Shared(annotations)) {
			c.open(w.object, value, "%s stands at an anchor or comes by an alias or merge key: remove it there by hand", name)
			return false
		}
	}
	return true
}
