// Package convert moves workloads from kube2iam, kiam, IRSA, EKS Pod Identity and
// hand-wired AWSIAMRoles to annotated ServiceAccounts. It changes manifests in memory
// and performs no I/O.
package convert

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

type node = yaml.Node

// A key is a namespaced name.
type key struct{ namespace, name string }

func (k key) String() string { return k.namespace + "/" + k.name }

// An object is a Kubernetes object in a document, possibly as an item of a List.
type object struct {
	doc         *manifest.Document
	node        *node
	group, kind string
	key
	// named reports that the manifest itself has the namespace.
	named bool
}

// String returns how messages name the object.
func (o *object) String() string {
	if o.kind == "Namespace" || o.kind == "ClusterRoleBinding" {
		return o.kind + " " + o.name
	}
	return o.kind + " " + o.key.String()
}

// objects returns the Kubernetes objects of a document, in order. Objects without a
// namespace are in the given one.
func objects(doc *manifest.Document, namespace string) (all []*object) {
	if manifest.String(doc.Root, "kind") == "" || manifest.String(doc.Root, "apiVersion") == "" && !isList(newObject(doc, doc.Root, "", namespace)) {
		return nil
	}
	within := map[*node]bool{} // by aliases a list can have itself as an item
	var visit func(o *object)
	visit = func(o *object) {
		switch {
		case within[o.node]:
		case isList(o):
			within[o.node] = true
			for item := range manifest.Items(o.node, "items") {
				visit(newObject(doc, item, strings.TrimSuffix(o.kind, "List"), namespace))
			}
			delete(within, o.node)
		default:
			all = append(all, o)
		}
	}
	visit(newObject(doc, doc.Root, "", namespace))
	return all
}

// isList reports whether an object is a List, or that of a kind. Tools that generate
// manifests put lists into lists, though kubectl takes apart the outer one alone.
func isList(o *object) bool {
	return strings.HasSuffix(o.kind, "List") && manifest.At(o.node, "items") != nil
}

// newObject returns an object. Items of lists such as a DeploymentList may leave out
// their kind.
func newObject(doc *manifest.Document, root *node, kind, namespace string) *object {
	o := &object{doc: doc, node: root, kind: kind}
	if own := manifest.String(root, "kind"); own != "" {
		o.kind = own
	}
	group, _, hasGroup := strings.Cut(manifest.String(root, "apiVersion"), "/")
	if hasGroup {
		o.group = group
	}
	o.name = manifest.String(root, "metadata", "name")
	if o.name == "" {
		o.name = manifest.String(root, "metadata", "generateName")
	}
	o.namespace = manifest.String(root, "metadata", "namespace")
	if o.named = o.namespace != ""; !o.named {
		o.namespace = namespace
	}
	return o
}

// is reports whether an object is of a kind.
func (o *object) is(group, kind string) bool { return o.group == group && o.kind == kind }

// annotation returns the value of an annotation, and whether there is one.
func (o *object) annotation(name string) (string, bool) {
	value := manifest.At(o.node, "metadata", "annotations", name)
	return manifest.String(o.node, "metadata", "annotations", name), value != nil
}

// owns reports whether what is at a path is written in the object itself, or nowhere, so
// that a change of it changes no other object, and hides nothing that is merged.
func (o *object) owns(path ...string) bool {
	at := o.node
	for _, name := range path {
		_, own := manifest.Own(at, name)
		switch {
		case own == nil:
			return manifest.At(at, name) == nil
		case own.Kind == yaml.AliasNode, o.doc.Shared(own):
			return false
		}
		at = own
	}
	return !o.doc.Shared(o.node)
}

// at names the place of the object.
func (o *object) at() string { return fmt.Sprintf("%s:%d", o.doc.File.Name, o.doc.LineOf(o.node)) }

// A Finding is something that a person has to know.
type Finding struct {
	File   string
	Line   int
	Object string
	// Message says what, why and the remedy.
	Message string
	// Open reports that something was not converted.
	Open bool
}

// String returns the finding as one line.
func (f Finding) String() string {
	where := fmt.Sprintf("%s:%d", f.File, f.Line)
	if f.File == "" {
		where = "cluster"
	}
	if f.Object != "" {
		where += ": " + f.Object
	}
	return oneLine.Replace(where + ": " + f.Message)
}

// oneLine says line breaks, which names and values may have, without breaking the line.
var oneLine = strings.NewReplacer("\r", `\r`, "\n", `\n`)

// open adds a finding about what is not converted, note one about what is.
func (c *converter) open(o *object, at *node, format string, args ...any) {
	c.find(o, at, true, fmt.Sprintf(format, args...))
}

// openEach adds a finding for each of several errors that were joined.
func (c *converter) openEach(o *object, at *node, err error) {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		c.open(o, at, "%v", err)
		return
	}
	for _, one := range joined.Unwrap() {
		c.open(o, at, "%v", one)
	}
}

func (c *converter) note(o *object, at *node, format string, args ...any) {
	c.find(o, at, false, fmt.Sprintf(format, args...))
}

func (c *converter) find(o *object, at *node, isOpen bool, message string) {
	if at == nil {
		at = o.node
	}
	c.result.Findings = append(c.result.Findings, Finding{
		File: o.doc.File.Name, Line: o.doc.LineOf(at), Object: o.String(), Message: message, Open: isOpen,
	})
}

// isAWSIAMRole reports whether an object is a resource of the predecessor, also of its
// first API group.
func (o *object) isAWSIAMRole() bool {
	return o.kind == api.AWSIAMRoleKind && (o.group == "zalando.org" || o.group == "amazonaws.com")
}
