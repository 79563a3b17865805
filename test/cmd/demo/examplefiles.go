package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

const deploymentKind = "Deployment"

// An example is a file of examples that a tenant copies.
type example struct {
	name    string // from examples
	text    string
	objects []object
}

// object is as much of an object as the demo needs.
type object struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		RoleReference string `json:"roleReference"`
	} `json:"spec"`
}

// role is the existing role that an object asks for, if any.
func (o *object) role() string {
	if o.Kind == "AWSIAMRole" {
		return o.Spec.RoleReference
	}
	return o.Metadata.Annotations[prefix+"role"]
}

// managedPolicies are the names of the AWS policies that an object asks for.
func (o *object) managedPolicies() (names []string) {
	for arn := range strings.SplitSeq(o.Metadata.Annotations[prefix+"managed-policies"], ",") {
		if name, found := strings.CutPrefix(strings.TrimSpace(arn), "arn:aws:iam::aws:policy/"); found {
			names = append(names, name)
		}
	}
	return names
}

// secret is the name of the Secret that an object gets, "" for none.
func (o *object) secret() string {
	switch {
	case o.Kind == "AWSIAMRole":
		return o.Metadata.Name
	case o.role() != "", o.Metadata.Annotations[prefix+"role-policy"] != "", len(o.managedPolicies()) > 0:
		return o.Metadata.Name + ".aws-iam"
	}
	return ""
}

// readExample returns the text of a file that users copy.
func readExample(name string) (string, error) {
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "examples", name)) //nolint:gosec // a name of our own
	return string(text), err
}

// tenantExamples are all YAML files of examples that hold objects of a namespace. Installations, which are
// kustomizations, and what the owner of an AWS account applies are not for tenants.
func tenantExamples() ([]example, error) {
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	var all []example
	dir := filepath.Join(root, "examples")
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, kustomization := os.Stat(filepath.Join(path, "kustomization.yaml"))
			if kustomization == nil || entry.Name() == "iam" {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".yaml" {
			return nil
		}
		e, err := parseExample(path)
		e.name, _ = filepath.Rel(dir, path)
		all = append(all, e)
		return err
	})
	return all, err
}

func parseExample(path string) (e example, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
	if err != nil {
		return e, err
	}
	e.text = string(text)
	for document := range strings.SplitSeq(e.text, "\n---\n") {
		var o object
		if err = yaml.Unmarshal([]byte(document), &o); err != nil {
			return e, fmt.Errorf("%s: %w", path, err)
		}
		e.objects = append(e.objects, o)
	}
	return e, nil
}
