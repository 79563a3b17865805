package chain

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/api"
)

// A setting is one environment variable of a container.
type setting struct {
	// value is "" if it is not in the pod itself, which from then says.
	value, from string
}

// environment returns the variables of a container. Those in env win over those in
// envFrom, as in the kubelet. unknown are the sources whose keys may not be seen.
func (f *Facts) environment(c *corev1.Container) (set map[string]setting, unknown []string) {
	set = map[string]setting{}
	for _, source := range c.EnvFrom {
		name := sourceOf(source)
		fact, read := f.Keys[name]
		if !read || fact.Unknown != "" {
			unknown = append(unknown, fact.Unknown)
			continue
		}
		for _, key := range fact.Value {
			set[source.Prefix+key] = setting{from: name}
		}
	}
	for _, v := range c.Env {
		set[v.Name] = setting{value: v.Value, from: "env"}
		if v.ValueFrom != nil {
			set[v.Name] = setting{from: valueSource(v.ValueFrom)}
		}
	}
	return set, unknown
}

// sourceOf names the object that variables are taken from, as in Facts.Keys.
func sourceOf(source corev1.EnvFromSource) string {
	switch {
	case source.ConfigMapRef != nil:
		return "configmap/" + source.ConfigMapRef.Name
	case source.SecretRef != nil:
		return "secret/" + source.SecretRef.Name
	default:
		return ""
	}
}

// Sources returns the objects that the containers of a pod take all their variables from.
func Sources(pod *corev1.Pod) []string {
	var names []string
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, source := range c.EnvFrom {
			if name := sourceOf(source); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func valueSource(source *corev1.EnvVarSource) string {
	switch {
	case source.SecretKeyRef != nil:
		return "secret/" + source.SecretKeyRef.Name
	case source.ConfigMapKeyRef != nil:
		return "configmap/" + source.ConfigMapKeyRef.Name
	case source.FieldRef != nil:
		return source.FieldRef.FieldPath
	default:
		return "another source"
	}
}

// applications returns the containers of the pod but for the sidecar.
func (f *Facts) applications() []corev1.Container {
	var all []corev1.Container
	for _, c := range f.Pod.Value.Spec.InitContainers {
		if c.Name != admission.SidecarName {
			all = append(all, c)
		}
	}
	return append(all, f.Pod.Value.Spec.Containers...)
}

// skipped returns the containers of the pod that its annotation excludes.
func (f *Facts) skipped() (names []string) {
	for named := range strings.SplitSeq(f.Pod.Value.Annotations[api.SkipContainersAnnotation], ",") {
		named = strings.TrimSpace(named)
		if slices.ContainsFunc(f.applications(), func(c corev1.Container) bool { return c.Name == named }) && !slices.Contains(names, named) {
			names = append(names, named)
		}
	}
	return names
}
