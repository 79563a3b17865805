package admission

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
)

// A variableGroup is a group of variables that a container is given together, or not
// at all if it sets one of them or one that conflicts.
type variableGroup struct {
	variables []corev1.EnvVar
	// conflicts are variables that SDKs prefer to one of the group.
	conflicts []string
}

// variables returns what the containers are given, in order. For what SDKs do with
// it see https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html.
func variables(injection identity.Injection) []variableGroup {
	groups := deliveryVariables(injection.Delivery)
	// Otherwise an SDK that finds no credentials falls back to the role of the node.
	groups = append(groups, single("AWS_EC2_METADATA_DISABLED", "true"), single("AWS_STS_REGIONAL_ENDPOINTS", "regional"))
	if injection.Region != "" {
		groups = append(groups, variableGroup{variables: []corev1.EnvVar{
			{Name: "AWS_REGION", Value: injection.Region}, {Name: "AWS_DEFAULT_REGION", Value: injection.Region},
		}})
	}
	return groups
}

// Variables returns the environment variables of a container that sets none itself.
func Variables(injection identity.Injection) (all []corev1.EnvVar) {
	return missing(nil, variables(injection))
}

// deliveryVariables returns the variables that point SDKs to the credentials.
func deliveryVariables(delivery identity.Delivery) []variableGroup {
	switch delivery {
	case identity.DeliverProcess:
		return []variableGroup{
			single("AWS_SHARED_CREDENTIALS_FILE", MountPath+"/credentials.process"),
			single("AWS_CONFIG_FILE", MountPath+"/credentials.process"),
			single("AWS_SDK_LOAD_CONFIG", "true"),
		}
	case identity.DeliverFile:
		return []variableGroup{
			single("AWS_SHARED_CREDENTIALS_FILE", MountPath+"/credentials"),
			single("AWS_CREDENTIAL_PROFILES_FILE", MountPath+"/credentials"),
		}
	case identity.DeliverEndpoint:
		// The token must never be sent to another endpoint, so the two go together. The
		// sidecar reads the token from the same field.
		return []variableGroup{{
			variables: []corev1.EnvVar{{Name: "AWS_CONTAINER_CREDENTIALS_FULL_URI", Value: endpointURL}, podUID("AWS_CONTAINER_AUTHORIZATION_TOKEN")},
			conflicts: []string{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		}}
	default:
		return nil
	}
}

func single(name, value string) variableGroup {
	return variableGroup{variables: []corev1.EnvVar{{Name: name, Value: value}}}
}

// podUID returns a variable with the pod's UID, which stays the same for the pod's
// whole life, and needs no Secret.
func podUID(name string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.uid"},
	}}
}

// missing returns the variables of the groups that a container with these variables
// is to be given.
func missing(existing []variable, groups []variableGroup) (add []corev1.EnvVar) {
	for _, g := range groups {
		if !slices.ContainsFunc(existing, g.excludedBy) {
			add = append(add, g.variables...)
		}
	}
	return add
}

// excludedBy says whether a container that sets a variable is not given the group.
func (g variableGroup) excludedBy(v variable) bool {
	return slices.Contains(g.conflicts, v.Name) ||
		slices.ContainsFunc(g.variables, func(ours corev1.EnvVar) bool { return ours.Name == v.Name })
}
