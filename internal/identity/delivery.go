package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
)

// Delivery is how the containers of a pod obtain credentials.
type Delivery string

// The supported deliveries.
const (
	// DeliverProcess mounts the Secret and configures SDKs with a
	// credential_process that reads it.
	DeliverProcess Delivery = "process"
	// DeliverEndpoint adds a sidecar that serves credentials to SDKs over HTTP on
	// loopback.
	DeliverEndpoint Delivery = "endpoint"
	// DeliverFile mounts the Secret as a shared credentials file with static keys.
	DeliverFile Delivery = "file"
	// DeliverNone leaves pods unchanged.
	DeliverNone Delivery = "none"
)

// Deliveries returns all deliveries.
func Deliveries() []Delivery {
	return []Delivery{DeliverProcess, DeliverEndpoint, DeliverFile, DeliverNone}
}

// ParseDelivery parses a delivery: process, endpoint, file or none. Surrounding
// white space is ignored. The error lists the valid values.
func ParseDelivery(value string) (Delivery, error) {
	value = strings.TrimSpace(value)
	names := make([]string, 0, len(Deliveries()))
	for _, delivery := range Deliveries() {
		names = append(names, string(delivery))
	}
	if err := OneOf(value, names...); err != nil {
		return "", err
	}
	return Delivery(value), nil
}

// ParseDeletionPolicy parses what happens to a managed role that is no longer
// requested: Delete or Retain. Surrounding white space is ignored.
func ParseDeletionPolicy(value string) (string, error) {
	value = strings.TrimSpace(value)
	return value, OneOf(value, api.DeletionPolicyDelete, api.DeletionPolicyRetain)
}

// OneOf returns an error that lists the allowed values unless value is one of them.
func OneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is invalid: expected one of %s", Quote(value), strings.Join(allowed, ", "))
}

// region matches the names of AWS Regions in every partition, such as eu-central-1,
// us-gov-west-1, us-isob-east-1 and eusc-de-east-1. Whether a Region exists is left
// to the SDKs, which know the current list.
var region = regexp.MustCompile(`^[a-z]{2,8}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)

// ParseRegion parses the name of an AWS Region, such as eu-central-1. Surrounding
// white space is ignored.
func ParseRegion(value string) (string, error) {
	value = strings.TrimSpace(value)
	if !region.MatchString(value) {
		return "", fmt.Errorf("%s is not a valid AWS Region: expected a name such as eu-central-1", Quote(value))
	}
	return value, nil
}

// Injection describes what admission adds to the pods of one ServiceAccount.
type Injection struct {
	// Account is the name of the ServiceAccount, SecretName that of its Secret.
	Account, SecretName string
	Delivery            Delivery
	// Region is the AWS Region set by the ServiceAccount, "" if it sets none.
	Region string
}
