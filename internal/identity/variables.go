package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
)

// Variables are the values of the variables in the annotations of one ServiceAccount.
type Variables struct {
	Namespace, ServiceAccount string
	// Cluster and Region are "" if the installation has none, or for the reason Unknown,
	// which is nil in the controller itself.
	Cluster, Region string
	Unknown         error
	// Base returns the base that completes role names, nil if nobody knows it. It is
	// called only if a value depends on it. Its errors are temporary.
	Base func() (BaseRole, error)
}

// ErrValueUnknown reports that the value of a variable is not known for the time being,
// which no change of the object resolves.
var ErrValueUnknown = errors.New("is not known")

// variableNames are in the order in which messages list them.
var variableNames = []string{
	api.NamespaceVariable, api.ServiceAccountVariable, api.ClusterVariable,
	api.AccountVariable, api.PartitionVariable, api.RegionVariable,
}

// value returns the value of a variable. Errors name it and the remedy.
func (v Variables) value(name string) (value string, err error) {
	switch name {
	case api.NamespaceVariable:
		value = v.Namespace
	case api.ServiceAccountVariable:
		value = v.ServiceAccount
	case api.ClusterVariable:
		value, err = v.Cluster, v.missing(name, errNoCluster)
	case api.RegionVariable:
		value, err = v.Region, v.missing(name, errNoRegion)
	case api.AccountVariable, api.PartitionVariable:
		return v.ofBase(name)
	default:
		return "", unknownVariable(name)
	}
	if value == "" && err != nil {
		return "", err
	}
	return checkValue(name, value)
}

var (
	errNoCluster = fmt.Errorf("%s has no value, because the controller runs without --cluster-name: "+
		"write the name of the cluster, or have whoever runs the controller set that", reference(api.ClusterVariable))
	errNoRegion = fmt.Errorf("%s has no value, because the ServiceAccount has no %s and the controller runs without --default-region: set the annotation, "+
		"or have whoever runs the controller set the flag", reference(api.RegionVariable), api.RegionAnnotation)
)

// missing returns why a variable has no value that the installation has to give it.
func (v Variables) missing(name string, otherwise error) error {
	if v.Unknown != nil {
		return valueUnknown(name, v.Unknown)
	}
	return otherwise
}

func valueUnknown(name string, why error) error {
	return fmt.Errorf("the value of %s %w: %w", reference(name), ErrValueUnknown, why)
}

var errNoBase = errors.New("the account is not asked for")

// ofBase returns the account or the partition.
func (v Variables) ofBase(name string) (string, error) {
	if v.Base == nil {
		return "", valueUnknown(name, errNoBase)
	}
	base, err := v.Base()
	if err != nil {
		return "", valueUnknown(name, err)
	}
	if name == api.PartitionVariable {
		return checkValue(name, base.Partition)
	}
	return checkValue(name, base.Account)
}

// checkValue rejects a value that could mean something where it is inserted. Kubernetes
// and AWS allow none, and nothing here depends on that.
func checkValue(name, value string) (string, error) {
	if !variableValue.MatchString(value) {
		return "", fmt.Errorf("%s has the value %s, which is not inserted: only letters, digits, and . _ - are", reference(name), Quote(value))
	}
	return value, nil
}

func unknownVariable(name string) error {
	remedy := "write"
	if nearest := Nearest(name, variableNames); nearest != "" {
		remedy += " " + reference(nearest) + ", or"
	}
	return fmt.Errorf("the variable %s is not known: %s $$(…) for the text $(…) itself; the variables are %s",
		Quote(reference(name)), remedy, strings.Join(references(), ", "))
}

// begins returns the variable with whose name text begins, or one as an example.
func begins(text string) string {
	for _, name := range variableNames {
		if strings.HasPrefix(text, name) {
			return name
		}
	}
	return api.NamespaceVariable
}

// Used returns the references to variables in texts, each with its value, in the order
// in which messages list them. Those without a value are left out.
func (v Variables) Used(texts ...string) (pairs [][2]string) {
	var used []string
	for _, text := range texts {
		_, _ = expand(text, func(name string) (string, error) { // whoever reads the text reports its errors
			used = append(used, name)
			return "", nil
		})
	}
	for _, name := range variableNames {
		if value, err := v.value(name); err == nil && slices.Contains(used, name) {
			pairs = append(pairs, [2]string{reference(name), value})
		}
	}
	return pairs
}

func reference(name string) string { return variableOpen + name + ")" }

func references() []string {
	all := make([]string, 0, len(variableNames))
	for _, name := range variableNames {
		all = append(all, reference(name))
	}
	return all
}
