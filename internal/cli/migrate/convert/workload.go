package convert

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// A PodTemplate says where objects of a kind have their pod template.
type PodTemplate struct {
	Kind, Group string
	Path        []string
}

// ParsePodTemplate parses KIND.GROUP=PATH, such as Rollout.argoproj.io=spec.template.
func ParsePodTemplate(value string) (PodTemplate, error) {
	what, path, found := strings.Cut(value, "=")
	kind, group, _ := strings.Cut(what, ".")
	t := PodTemplate{Kind: kind, Group: group, Path: strings.Split(path, ".")}
	if !found || kind == "" || slices.Contains(t.Path, "") {
		return t, fmt.Errorf("%q does not say where a kind has its pod template: give KIND.GROUP=PATH, such as Rollout.argoproj.io=spec.template", value)
	}
	return t, nil
}

// podTemplates are those of Kubernetes itself. A Pod is its own template.
var podTemplates = slices.Concat(
	kinds("", nil, "Pod"),
	kinds("", []string{"template"}, "PodTemplate"),
	kinds("", []string{"spec", "template"}, "ReplicationController"),
	kinds("apps", []string{"spec", "template"}, "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"),
	kinds("extensions", []string{"spec", "template"}, "Deployment", "DaemonSet", "ReplicaSet"),
	kinds("batch", []string{"spec", "template"}, "Job"),
	kinds("batch", []string{"spec", "jobTemplate", "spec", "template"}, "CronJob"),
)

func kinds(group string, path []string, names ...string) (all []PodTemplate) {
	for _, name := range names {
		all = append(all, PodTemplate{Kind: name, Group: group, Path: path})
	}
	return all
}

// A workload is an object with a pod template.
type workload struct {
	*object

	// template has the metadata and the spec of pods, pod is the spec.
	template, pod *node
	// account is the ServiceAccount of the pods.
	account key
	// wants is what the template itself requests, nil if nothing.
	wants *request
}

// workload returns the workload that an object is, nil if it is none.
func (c *converter) workload(o *object) *workload {
	for _, t := range slices.Concat(c.Templates, podTemplates) {
		if !o.is(t.Group, t.Kind) {
			continue
		}
		template := manifest.At(o.node, t.Path...)
		pod := manifest.At(template, "spec")
		if pod == nil || pod.Kind != yaml.MappingNode {
			return nil
		}
		w := &workload{object: o, template: template, pod: pod}
		w.account = key{o.namespace, accountName(pod)}
		return w
	}
	return nil
}

// accountName returns the ServiceAccount of a pod. serviceAccount is the name that the
// field once had.
func accountName(pod *node) string {
	for _, field := range accountFields {
		if name := manifest.String(pod, field); name != "" {
			return name
		}
	}
	return defaultAccount
}

// accountFields are those of a pod with its ServiceAccount, in order of precedence.
var accountFields = []string{"serviceAccountName", "serviceAccount"}

// accountNode returns where the pods name their ServiceAccount, nil if they do not.
func (w *workload) accountNode() *node {
	for _, field := range accountFields {
		if manifest.String(w.pod, field) != "" {
			return manifest.At(w.pod, field)
		}
	}
	return nil
}

// defaultAccount is the ServiceAccount of pods that name none.
const defaultAccount = "default"

// containers returns all containers of the pods.
func (w *workload) containers() (all []*node) {
	for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
		all = slices.AppendSeq(all, manifest.Items(w.pod, field))
	}
	return all
}

// use makes the pods run as a ServiceAccount.
func (c *converter) use(w *workload, name string) {
	w.account.name = name
	w.doc.Set(w.pod, "serviceAccountName", name)
	if _, old := manifest.Own(w.pod, "serviceAccount"); old != nil {
		w.doc.Set(w.pod, "serviceAccount", name)
	}
}
