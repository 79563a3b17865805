package migrate

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/convert"
)

// followers are objects that have a controller. They are not converted, because they
// follow it. If the controller is of a kind that is not read, only they tell which
// ServiceAccount its pods use.
type followers struct {
	// read are all objects that were seen, whether they follow another or not.
	read map[types.UID]bool
	all  []follower
}

type follower struct {
	controller types.UID
	use        convert.Use
}

// add remembers an object, and reports whether it follows another one.
func (f *followers) add(object *unstructured.Unstructured) bool {
	f.read[object.GetUID()] = true
	controller := metav1.GetControllerOf(object)
	if controller == nil {
		return false
	}
	account, role := podIdentity(object)
	if account == "" {
		return true
	}
	group := schema.FromAPIVersionAndKind(controller.APIVersion, controller.Kind).GroupKind()
	f.all = append(f.all, follower{controller.UID, convert.Use{
		Namespace: object.GetNamespace(), ServiceAccount: account, Role: role,
		Owner: controller.Kind + " " + object.GetNamespace() + "/" + controller.Name, Kind: strings.TrimSuffix(group.String(), "."),
	}})
	return true
}

// uses returns what is used by those whose controller was not read, each once.
func (f *followers) uses() (uses []convert.Use) {
	seen := map[convert.Use]bool{}
	for _, each := range f.all {
		if !f.read[each.controller] && !seen[each.use] {
			seen[each.use] = true
			uses = append(uses, each.use)
		}
	}
	return uses
}

// templates lead to the pod templates of the kinds that are read. A Pod is its own.
var templates = [][]string{nil, {"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}}

// podIdentity returns the ServiceAccount of an object's pods and the role that they ask for,
// "" if the object has no pods.
func podIdentity(object *unstructured.Unstructured) (account, role string) {
	for _, template := range templates {
		spec, found, err := unstructured.NestedMap(object.Object, append(slices.Clone(template), "spec")...)
		if _, isPod := spec["containers"]; !found || err != nil || !isPod {
			continue
		}
		account = "default"
		for _, field := range []string{"serviceAccount", "serviceAccountName"} {
			if name, _, _ := unstructured.NestedString(spec, field); name != "" {
				account = name
			}
		}
		annotations, _, err := unstructured.NestedStringMap(object.Object, append(slices.Clone(template), "metadata", "annotations")...)
		if err == nil {
			role = annotations[api.RoleAnnotation]
		}
	}
	return account, role
}
