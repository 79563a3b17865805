package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Delivery is how the containers of a pod come by its credentials.
type Delivery string

// The deliveries.
const (
	// DeliverProcess mounts the Secret; SDKs run cat as a credential_process.
	DeliverProcess Delivery = "process"
	// DeliverEndpoint adds a sidecar that SDKs ask over HTTP on loopback.
	DeliverEndpoint Delivery = "endpoint"
	// DeliverFile mounts the Secret; SDKs read static keys from a file.
	DeliverFile Delivery = "file"
	// DeliverNone leaves pods alone.
	DeliverNone Delivery = "none"
)

// ParseDelivery reads a delivery, with or without white space around it.
func ParseDelivery(value string) (Delivery, error) {
	value = strings.TrimSpace(value)
	if err := OneOf(value, string(DeliverProcess), string(DeliverEndpoint), string(DeliverFile), string(DeliverNone)); err != nil {
		return "", err
	}
	return Delivery(value), nil
}

// ParseDeletionPolicy reads what becomes of a role that is no longer asked for:
// Delete or Retain, with or without white space around it.
func ParseDeletionPolicy(value string) (string, error) {
	value = strings.TrimSpace(value)
	return value, OneOf(value, "Delete", "Retain")
}

// OneOf returns an error with the remedy unless value is one of allowed.
func OneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is not understood: give one of %s", Quote(value), strings.Join(allowed, ", "))
}

// region has the form of all AWS Regions' names, those of other partitions
// (us-gov-west-1, us-isob-east-1, eusc-de-east-1) included. Only the SDKs know
// which ones there are.
var region = regexp.MustCompile(`^[a-z]{2,8}(?:-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)

// ParseRegion reads the name of an AWS Region, with or without white space around
// it.
func ParseRegion(value string) (string, error) {
	value = strings.TrimSpace(value)
	if !region.MatchString(value) {
		return "", fmt.Errorf("%s is not understood: give an AWS Region such as eu-central-1", Quote(value))
	}
	return value, nil
}

// Injection is what the pods of one ServiceAccount are given.
type Injection struct {
	// Account is the ServiceAccount's name, SecretName its Secret's.
	Account, SecretName string
	Delivery            Delivery
	// Region is the AWS Region it names, "" for none.
	Region string
}
