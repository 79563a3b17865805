package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

// resources are those of the kinds that tests look at, by the name that kubectl takes.
var resources = map[string]schema.GroupVersionResource{
	"awsiamrole":     {Group: "zalando.org", Version: "v1", Resource: "awsiamroles"},
	"namespace":      {Version: "v1", Resource: "namespaces"},
	"deployment":     {Group: "apps", Version: "v1", Resource: "deployments"},
	"sa":             {Version: "v1", Resource: "serviceaccounts"},
	"secret":         {Version: "v1", Resource: "secrets"},
	"serviceaccount": {Version: "v1", Resource: "serviceaccounts"},
}

// resource returns the client of an object that is named "kind/name", and its name.
func (o Objects) resource(object string) (dynamic.ResourceInterface, string, error) {
	kind, name, _ := strings.Cut(object, "/")
	resource, known := resources[kind]
	if !known {
		return nil, "", fmt.Errorf("the kind %s is not known here", kind)
	}
	client, err := dynamic.NewForConfig(o.Access.AdminConfig())
	if err != nil {
		return nil, "", err
	}
	if kind == "namespace" {
		return client.Resource(resource), name, nil
	}
	return client.Resource(resource).Namespace(o.Namespace), name, nil
}

// Field returns what a JSON path selects of an object, which is named "kind/name": "" for what is not there.
func (o Objects) Field(ctx context.Context, object, path string) (string, error) {
	client, name, err := o.resource(object)
	if err != nil {
		return "", err
	}
	return field(ctx, client, name, path)
}

// UntilField waits until a field has a value.
func (o Objects) UntilField(ctx context.Context, object, path, want string) error {
	client, name, err := o.resource(object)
	if err != nil {
		return err
	}
	return until(ctx, o.Within, client, named(name), func(ctx context.Context) error {
		got, err := field(ctx, client, name, path)
		if err == nil && got != want {
			err = fmt.Errorf("%s of %s is %q, not %q", path, object, got, want)
		}
		return err
	})
}

func field(ctx context.Context, client dynamic.ResourceInterface, name, path string) (string, error) {
	found, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	parser := jsonpath.New(name).AllowMissingKeys(true)
	if err = parser.Parse("{" + path + "}"); err != nil {
		return "", err
	}
	var text bytes.Buffer
	err = parser.Execute(&text, found.UnstructuredContent())
	return text.String(), err
}

// ApplyYAML applies a manifest to an object, which is named "kind/name", as kubectl apply --server-side does.
func (o Objects) ApplyYAML(ctx context.Context, object, manifest string) error {
	client, name, err := o.resource(object)
	if err != nil {
		return err
	}
	var content map[string]any
	if err = yaml.Unmarshal([]byte(manifest), &content); err != nil {
		return fmt.Errorf("manifest of %s: %w", object, err)
	}
	_, err = client.Apply(ctx, name, &unstructured.Unstructured{Object: content}, metav1.ApplyOptions{FieldManager: "test", Force: true})
	return err
}

// Annotate changes the annotations of an object, which is named "kind/name": nil takes one off.
func (o Objects) Annotate(ctx context.Context, object string, annotations map[string]any) error {
	return o.patchMetadata(ctx, object, "annotations", annotations)
}

// Label changes the labels of an object, which is named "kind/name": nil takes one off.
func (o Objects) Label(ctx context.Context, object string, labels map[string]any) error {
	return o.patchMetadata(ctx, object, "labels", labels)
}

func (o Objects) patchMetadata(ctx context.Context, object, field string, values map[string]any) error {
	client, name, err := o.resource(object)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{field: values}})
	if err != nil {
		return err
	}
	_, err = client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// Changes reads changes of annotations or labels as kubectl takes them: "key=value", and "key-" to take one off.
func Changes(changes ...string) map[string]any {
	read := map[string]any{}
	for _, change := range changes {
		if key, value, sets := strings.Cut(change, "="); sets {
			read[key] = value
		} else {
			read[strings.TrimSuffix(change, "-")] = nil
		}
	}
	return read
}
