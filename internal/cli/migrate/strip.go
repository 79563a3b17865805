package migrate

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// serverFields are set by the API server and by controllers.
var serverFields = [][]string{
	{"status"},
	{"metadata", "managedFields"}, {"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "generation"},
	{"metadata", "creationTimestamp"}, {"metadata", "selfLink"}, {"metadata", "ownerReferences"},
	{"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"},
	{"metadata", "annotations", "deployment.kubernetes.io/revision"},
	{"metadata", "annotations", "deprecated.daemonset.template.generation"},
	{"metadata", "annotations", "iam.amazonaws.com/role-arn"},
	{"spec", "template", "metadata", "creationTimestamp"},
	{"spec", "jobTemplate", "metadata", "creationTimestamp"}, {"spec", "jobTemplate", "spec", "template", "metadata", "creationTimestamp"},
	{"secrets"},
}

// strip removes what only the cluster sets.
func strip(object *unstructured.Unstructured) {
	for _, field := range serverFields {
		unstructured.RemoveNestedField(object.Object, field...)
	}
	if annotations, found, err := unstructured.NestedMap(object.Object, "metadata", "annotations"); err == nil && found && len(annotations) == 0 {
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
	}
	switch object.GetKind() {
	case "Pod":
		stripPod(object)
	case "Job":
		stripJob(object)
	}
}

// jobLabels are those by which a Job finds its pods, unless it has a selector of its
// own.
var jobLabels = []string{"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"}

func stripJob(object *unstructured.Unstructured) {
	if manual, _, err := unstructured.NestedBool(object.Object, "spec", "manualSelector"); err != nil || manual {
		return
	}
	unstructured.RemoveNestedField(object.Object, "spec", "selector")
	for _, label := range jobLabels {
		unstructured.RemoveNestedField(object.Object, "metadata", "labels", label)
		unstructured.RemoveNestedField(object.Object, "spec", "template", "metadata", "labels", label)
	}
}

// stripPod removes what admission and the scheduler add to a Pod.
func stripPod(object *unstructured.Unstructured) {
	unstructured.RemoveNestedField(object.Object, "spec", "nodeName")
	spec, _, err := unstructured.NestedMap(object.Object, "spec")
	if err != nil {
		return
	}
	dropNamed(spec, "volumes", "name")
	for _, field := range []string{"containers", "initContainers"} {
		containers, _ := spec[field].([]any)
		for _, container := range containers {
			if c, ok := container.(map[string]any); ok {
				dropNamed(c, "volumeMounts", "name")
			}
		}
	}
	_ = unstructured.SetNestedMap(object.Object, spec, "spec") // it was one
}

// tokenVolume is the prefix of volumes with the token of the ServiceAccount:
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/.
const tokenVolume = "kube-api-access-"

func dropNamed(parent map[string]any, field, name string) {
	items, _ := parent[field].([]any)
	var kept []any
	for _, item := range items {
		fields, _ := item.(map[string]any)
		if value, _ := fields[name].(string); !strings.HasPrefix(value, tokenVolume) {
			kept = append(kept, item)
		}
	}
	if len(kept) > 0 {
		parent[field] = kept
	} else {
		delete(parent, field)
	}
}

// owners identify the program that an object belongs to, which would undo changes in
// the cluster.
var owners = []struct{ program, field, name, value string }{
	{"Helm", "labels", "app.kubernetes.io/managed-by", "Helm"},
	{"Argo CD", "annotations", "argocd.argoproj.io/tracking-id", ""},
	{"Argo CD", "labels", "argocd.argoproj.io/instance", ""},
	{"Flux", "labels", "kustomize.toolkit.fluxcd.io/name", ""},
	{"Flux", "labels", "helm.toolkit.fluxcd.io/name", ""},
}

// sources returns the findings about changed objects of a file that belong to a program.
func sources(file *manifest.File) (findings []convert.Finding) {
	for _, doc := range file.Documents {
		if !doc.Changed() {
			continue
		}
		for _, owner := range owners {
			value := manifest.String(doc.Root, "metadata", owner.field, owner.name)
			if value == "" || owner.value != "" && value != owner.value {
				continue
			}
			findings = append(findings, convert.Finding{
				Object:  manifest.String(doc.Root, "kind") + " " + manifest.String(doc.Root, "metadata", "namespace") + "/" + manifest.String(doc.Root, "metadata", "name"),
				Message: "it belongs to " + owner.program + " (" + owner.name + ": " + value + "), which undoes changes in the cluster: change it at its source",
				Open:    true,
			})
			break
		}
	}
	return findings
}
