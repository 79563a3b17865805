package chart

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestTheChartInstallsWhatTheManifestsDo(t *testing.T) {
	for name, i := range installations {
		t.Run(name, func(t *testing.T) {
			if i.namespace == "" {
				i.namespace = "kube-system"
			}
			i.settings = append(i.settings, "KUBE_AWS_IAM_CLUSTER_NAME=demo-cluster")
			want, got := byKey(t, i.kustomize(t)), byKey(t, i.helm(t))
			assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
			for key, text := range want {
				assert.Equal(t, text, got[key], key)
			}
		})
	}
}

// byKey returns objects by what they are, without the differences that there may be.
func byKey(t *testing.T, objects []unstructured.Unstructured) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range objects {
		alike(&object)
		text, err := yaml.Marshal(object.Object)
		require.NoError(t, err)
		key := hashed.ReplaceAllString(object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName(), "$1")
		if !own[object.GetKind()+" "+object.GetName()] {
			require.NotContains(t, found, key)
			found[key] = hashed.ReplaceAllString(string(text), "$1")
		}
	}
	return found
}

// own is what the chart has besides, so that it goes with the release.
var own = map[string]bool{"Lease kube-aws-iam-controller": true, "Secret kube-aws-iam-controller-webhook": true}

// hashed is how kustomize names what it generates.
var hashed = regexp.MustCompile(`(kube-aws-iam-controller-settings)-[a-z0-9]{10}\b`)

// alike removes what may differ: the labels that Helm's users expect, the annotation on pods in place of the hash that
// kustomize appends to the ConfigMap, that the CRD is kept, and the webhook's path where the controller writes it. Kustomize also
// gives policies a namespace, which the API server ignores, and folds the lines of their expressions in another way.
func alike(object *unstructured.Unstructured) {
	without(object.Object, "metadata.labels", "helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
		"app.kubernetes.io/managed-by")
	without(object.Object, "metadata.annotations", "helm.sh/resource-policy", "helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy")
	if object.GetKind() == "NetworkPolicy" {
		withoutTest(object)
	}
	if strings.Contains(object.GetKind(), "AdmissionPolicy") {
		object.SetNamespace("")
		object.Object, _ = spaced(object.Object).(map[string]any)
	}
	without(object.Object, "spec.template.metadata.labels", "app.kubernetes.io/instance")
	without(object.Object, "spec.template.metadata.annotations", "checksum/settings")
	webhooks, found, _ := unstructured.NestedSlice(object.Object, "webhooks")
	for _, each := range webhooks {
		webhook, is := each.(map[string]any)
		if _, given, _ := unstructured.NestedString(webhook, "clientConfig", "caBundle"); is && !given {
			without(webhook, "clientConfig.service", "path")
		}
	}
	if found {
		object.Object["webhooks"] = webhooks
	}
}

// withoutTest removes the pod of helm test from those that a NetworkPolicy selects.
func withoutTest(object *unstructured.Unstructured) {
	selected, _, _ := unstructured.NestedSlice(object.Object, "spec", "podSelector", "matchExpressions")
	for _, each := range selected {
		if expression, is := each.(map[string]any); is {
			values, _, _ := unstructured.NestedSlice(expression, "values")
			expression["values"] = slices.DeleteFunc(values, func(value any) bool { return value == Name+"-test" })
		}
	}
	_ = unstructured.SetNestedSlice(object.Object, selected, "spec", "podSelector", "matchExpressions")
}

// without removes keys of a map that is in an object, and the map if nothing is left.
func without(object map[string]any, path string, keys ...string) {
	fields := strings.Split(path, ".")
	for _, key := range keys {
		unstructured.RemoveNestedField(object, append(fields, key)...)
	}
	if left, found, _ := unstructured.NestedMap(object, fields...); found && len(left) == 0 {
		unstructured.RemoveNestedField(object, fields...)
	}
}

// spaced returns a value with single spaces in its strings.
func spaced(value any) any {
	switch value := value.(type) {
	case string:
		return strings.Join(strings.Fields(value), " ")
	case []any:
		for i := range value {
			value[i] = spaced(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = spaced(value[key])
		}
	}
	return value
}
