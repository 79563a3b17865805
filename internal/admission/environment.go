package admission

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

// A group of variables is given whole, or not at all where the container sets
// any of them.
type group struct {
	variables []corev1.EnvVar
	// rivals are variables that SDKs prefer to one of the group.
	rivals []string
}

// variables returns what the containers of a delivery are given, in order. What
// SDKs do with them: https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html.
func variables(give identity.Injection) []group {
	groups := []group{}
	alone := func(name, value string) {
		groups = append(groups, group{variables: []corev1.EnvVar{{Name: name, Value: value}}})
	}
	switch give.Delivery {
	case identity.DeliverProcess:
		alone("AWS_SHARED_CREDENTIALS_FILE", mountPath+"/credentials.process")
		alone("AWS_CONFIG_FILE", mountPath+"/credentials.process")
		alone("AWS_SDK_LOAD_CONFIG", "true")
	case identity.DeliverFile:
		alone("AWS_SHARED_CREDENTIALS_FILE", mountPath+"/credentials")
		alone("AWS_CREDENTIAL_PROFILES_FILE", mountPath+"/credentials")
	case identity.DeliverEndpoint:
		// The token of one endpoint must never go to another one. The sidecar
		// knows it by the same field.
		groups = append(groups, group{
			variables: []corev1.EnvVar{{Name: "AWS_CONTAINER_CREDENTIALS_FULL_URI", Value: endpointURL}, podUID("AWS_CONTAINER_AUTHORIZATION_TOKEN")},
			rivals:    []string{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		})
	default: // given nothing
	}
	// Without it an SDK that finds nothing falls back to the node's own role.
	alone("AWS_EC2_METADATA_DISABLED", "true")
	alone("AWS_STS_REGIONAL_ENDPOINTS", "regional")
	if give.Region != "" {
		groups = append(groups, group{variables: []corev1.EnvVar{
			{Name: "AWS_REGION", Value: give.Region}, {Name: "AWS_DEFAULT_REGION", Value: give.Region},
		}})
	}
	return groups
}

// podUID returns a variable with the pod's UID, which stays the same for as long
// as the pod is there, and needs no Secret.
func podUID(name string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"},
	}}
}

// missing returns the variables of those groups of which a container sets none.
func missing(set []variable, groups []group) (add []corev1.EnvVar) {
	for _, g := range groups {
		if !slices.ContainsFunc(set, g.has) {
			add = append(add, g.variables...)
		}
	}
	return add
}

func (g group) has(v variable) bool {
	return slices.Contains(g.rivals, v.Name) ||
		slices.ContainsFunc(g.variables, func(ours corev1.EnvVar) bool { return ours.Name == v.Name })
}
