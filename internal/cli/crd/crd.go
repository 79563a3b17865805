// Package crd compares the CustomResourceDefinition of AWSIAMRoles in a cluster with the
// one that this version ships.
package crd

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/manifests"
)

// Name and File are those of the CustomResourceDefinition; File is within manifests.
const (
	Name = "awsiamroles.zalando.org"
	File = "prerequisites/crd.yaml"
)

// Apply is the command that installs the shipped one.
const Apply = "kubectl apply -f manifests/" + File

// Installed returns the one that is installed, nil for none.
func Installed(ctx context.Context, client rest.Interface) (*unstructured.Unstructured, error) {
	raw, err := client.Get().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + Name).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // that there is none is an answer, not a failure
	}
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(raw)
}

// Shipped returns the one of this version.
func Shipped() (*unstructured.Unstructured, error) {
	text, err := manifests.Files.ReadFile(File)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	if err = yaml.Unmarshal(text, &object.Object); err != nil {
		return nil, fmt.Errorf("read %s: %w", File, err)
	}
	return object, nil
}

// Lacks says which fields an installed one lacks.
func Lacks(missing []string) string {
	return "the CustomResourceDefinition " + Name + " is of another version, and lacks " + strings.Join(missing, ", ")
}
