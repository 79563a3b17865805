package chain

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/admission"
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
)

// podHasCredentials reports whether there are credentials that something may override.
func podHasCredentials(f *Facts) bool {
	if isAWSIAMRole(f) {
		return podMountsByHand(f)
	}
	given, _ := f.given()
	return given != nothing
}

// A containerRule returns its conclusion about one container, nil if it does not apply.
type containerRule func(*containerFacts) *finding.Finding

// containerFacts are what the rules for a container look at.
type containerFacts struct {
	*corev1.Container

	skipped, hostNetwork bool
	delivery             identity.Delivery
	set                  map[string]setting
	// ours are the variables that admission gives, by name.
	ours map[string]string
	// unseen are the sources of variables that may not be seen.
	unseen []string
}

// examineContainers returns a finding for each container of the pod but for the sidecar.
func examineContainers(f *Facts) []finding.Finding {
	skipped := f.skipped()
	var all []finding.Finding
	for _, c := range f.applications() {
		facts := &containerFacts{Container: &c, skipped: slices.Contains(skipped, c.Name), hostNetwork: f.Pod.Value.Spec.HostNetwork, ours: map[string]string{}}
		facts.set, facts.unseen = f.environment(&c)
		if injection := f.Request().Injection; isServiceAccount(f) && injection != nil {
			facts.delivery = injection.Delivery
			for _, v := range admission.Variables(*injection) {
				facts.ours[v.Name] = v.Value
			}
		}
		all = append(all, examineContainer(facts))
	}
	return all
}

func examineContainer(c *containerFacts) finding.Finding {
	for _, r := range containerRules {
		if found := r(c); found != nil {
			found.Check = "container " + c.Name
			return *found
		}
	}
	return finding.Finding{Check: "container " + c.Name, State: finding.OK, Message: "nothing overrides the credentials"}
}

// containerRules go from what every SDK prefers to what only some do:
// https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html.
var containerRules = []containerRule{
	func(c *containerFacts) *finding.Finding {
		if !c.skipped {
			return nil
		}
		return warning("is named in the annotation "+api.SkipContainersAnnotation+", so it is given nothing", "remove its name from the annotation, if it needs credentials")
	},
	// Nothing can be mounted where something else is.
	func(c *containerFacts) *finding.Finding {
		i := slices.IndexFunc(c.VolumeMounts, foreignMount)
		if i < 0 || c.delivery == identity.DeliverEndpoint || c.delivery == "" {
			return nil
		}
		return mounted(c.VolumeMounts[i])
	},
	// Every SDK looks for keys in the environment before anything else.
	func(c *containerFacts) *finding.Finding {
		return c.overridden("AWS_ACCESS_KEY_ID", "every SDK prefers keys in the environment")
	},
	// Java, Go, Python, .NET and others look for a web identity before files and endpoints.
	func(c *containerFacts) *finding.Finding {
		return c.overridden("AWS_WEB_IDENTITY_TOKEN_FILE", "most SDKs prefer a web identity, as IRSA gives it, so the pod has the role of "+api.IRSAAnnotation)
	},
	overriddenProfile("AWS_PROFILE"),
	overriddenProfile("AWS_DEFAULT_PROFILE"), // which boto3 prefers
	overriddenFile("AWS_SHARED_CREDENTIALS_FILE"),
	overriddenFile("AWS_CREDENTIAL_PROFILES_FILE"),
	overriddenFile("AWS_CONFIG_FILE"),
	// With it the container is given no endpoint of ours, or another.
	func(c *containerFacts) *finding.Finding {
		for _, name := range []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
			if found := c.otherEndpoint(name); found != nil {
				return found
			}
		}
		return nil
	},
	// The endpoint answers to no other token.
	func(c *containerFacts) *finding.Finding {
		token, has := c.set["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
		if c.delivery != identity.DeliverEndpoint || has && token.from == "metadata.uid" {
			return nil
		}
		return broken("AWS_CONTAINER_AUTHORIZATION_TOKEN is not the one of the endpoint, which refuses others", "remove the variable and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE from the container")
	},
	(*containerFacts).bearerToken,
	// Without our credentials an SDK would silently fall back to the role of the node.
	func(c *containerFacts) *finding.Finding {
		if disabled, has := c.set["AWS_EC2_METADATA_DISABLED"]; has && disabled.from == "env" && strings.EqualFold(disabled.value, "true") {
			return nil
		}
		why := "AWS_EC2_METADATA_DISABLED is not true: an SDK that finds no credentials falls back to the role of the node"
		if c.hostNetwork {
			why += ", which the host's network reaches in any case"
		}
		return warning(why, "remove the variable from the container, so that admission sets it")
	},
	func(c *containerFacts) *finding.Finding {
		if len(c.unseen) > 0 {
			return unknown("whether keys of AWS are in its environment: " + strings.Join(c.unseen, ", "))
		}
		return nil
	},
}

// foreignMount reports whether something else is mounted at or below our path.
func foreignMount(m corev1.VolumeMount) bool {
	at := path.Clean("/" + m.MountPath)
	return (at == admission.MountPath || strings.HasPrefix(at, admission.MountPath+"/")) && m.Name != admission.VolumeName
}

// foreignMounts returns the first such mount of each container that is not left out.
func (f *Facts) foreignMounts() (all []corev1.VolumeMount) {
	skipped := f.skipped()
	for _, c := range f.applications() {
		if i := slices.IndexFunc(c.VolumeMounts, foreignMount); i >= 0 && !slices.Contains(skipped, c.Name) {
			all = append(all, c.VolumeMounts[i])
		}
	}
	return all
}

func mounted(m corev1.VolumeMount) *finding.Finding {
	return broken(fmt.Sprintf("the volume %s is mounted at %s, so the container is given nothing", m.Name, m.MountPath), "mount that volume elsewhere")
}
