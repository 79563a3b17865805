package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"kube-aws-iam-controller/manifests"
)

// account is the name of the controller's ServiceAccount in the shipped manifests.
const account = "kube-aws-iam-controller"

// shipped returns the objects of files of the shipped manifests, without kustomizations
// and patches.
func shipped(patterns ...string) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	for _, pattern := range patterns {
		files, err := fs.Glob(manifests.Files, pattern)
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("the manifests have no %s: %w", pattern, err)
		}
		for _, file := range files {
			if path.Base(file) == "kustomization.yaml" {
				continue
			}
			objects, err := decode(file)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", file, err)
			}
			all = append(all, objects...)
		}
	}
	return all, nil
}

func decode(file string) (all []unstructured.Unstructured, err error) {
	text, err := manifests.Files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		var object unstructured.Unstructured
		switch err = decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case len(object.Object) > 0:
			all = append(all, object)
		}
	}
}

// A right is the least that RBAC grants.
type right struct {
	verb, group, resource, subresource string
	// namespace is "" for all, or for resources without namespaces; name is "" for any.
	namespace, name string
}

// String names the right as kubectl auth can-i takes it.
func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.group != "" {
		text += "." + r.group
	}
	if r.name != "" {
		text += "/" + r.name
	}
	if r.subresource != "" {
		text += " --subresource=" + r.subresource
	}
	if r.namespace != "" {
		text += " --namespace=" + r.namespace
	}
	return text
}

// granted returns the rights that the shipped manifests grant to the controller's
// ServiceAccount. Those of Roles are in the namespace.
func granted(objects []unstructured.Unstructured, namespace string) ([]right, error) {
	rules := map[string][]rbacv1.PolicyRule{}
	for i := range objects {
		if kind := objects[i].GetKind(); kind == "Role" || kind == "ClusterRole" {
			var role rbacv1.ClusterRole // rules are the same in both
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &role); err != nil {
				return nil, err
			}
			rules[kind+"/"+role.Name] = role.Rules
		}
	}
	var all []right
	for i := range objects {
		kind := objects[i].GetKind()
		if kind != "RoleBinding" && kind != "ClusterRoleBinding" {
			continue
		}
		var binding rbacv1.RoleBinding
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &binding); err != nil {
			return nil, err
		}
		where := namespace
		if kind == "ClusterRoleBinding" {
			where = ""
		}
		for _, subject := range binding.Subjects {
			if subject.Name == account {
				all = append(all, rightsOf(rules[binding.RoleRef.Kind+"/"+binding.RoleRef.Name], where)...)
			}
		}
	}
	return all, nil
}
