package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"kube-aws-iam-controller/internal/identity"
)

// Defaults of the sidecar, the same as in manifests/components/admission-policy. Both
// resources have a limit, so that quotas on limits admit the pod.
const (
	defaultSidecarRequests = "cpu=5m,memory=16Mi"
	defaultSidecarLimits   = "cpu=200m,memory=32Mi"
)

// nothing stands for an empty list of pairs: an empty environment variable counts as
// not set.
const nothing = "none"

// resourcesValue implements kingpin.Value for resources, as kubectl set resources
// takes them.
type resourcesValue corev1.ResourceList

// Set implements kingpin.Value.
func (r *resourcesValue) Set(text string) error {
	pairs, err := splitPairs(text)
	if err != nil {
		return fmt.Errorf("%w: expected for example cpu=100m,memory=32Mi, or none", err)
	}
	*r = resourcesValue{}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		value := pairs[name]
		quantity, err := resource.ParseQuantity(value)
		if err != nil || quantity.Sign() < 0 || name == "" {
			return fmt.Errorf("%s is not an amount of a resource: expected for example cpu=100m,memory=32Mi, or none", identity.Quote(name+"="+value))
		}
		(*r)[corev1.ResourceName(name)] = quantity
	}
	return nil
}

// String implements kingpin.Value.
func (r *resourcesValue) String() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(*r)) {
		quantity := (*r)[name]
		pairs = append(pairs, string(name)+"="+quantity.String())
	}
	return strings.Join(pairs, ",")
}

// securityContextValue implements kingpin.Value for numeric and boolean fields of a
// container's security context.
type securityContextValue corev1.SecurityContext

// scalars are the fields of a security context that can be set, with their values.
var scalars = map[string]*regexp.Regexp{
	"allowPrivilegeEscalation": regexp.MustCompile("^(true|false)$"),
	"privileged":               regexp.MustCompile("^(true|false)$"),
	"readOnlyRootFilesystem":   regexp.MustCompile("^(true|false)$"),
	"runAsGroup":               regexp.MustCompile("^(0|[1-9][0-9]{0,9})$"),
	"runAsNonRoot":             regexp.MustCompile("^(true|false)$"),
	"runAsUser":                regexp.MustCompile("^(0|[1-9][0-9]{0,9})$"),
}

// Set implements kingpin.Value.
func (s *securityContextValue) Set(text string) error {
	pairs, err := splitPairs(text)
	if err != nil {
		return fmt.Errorf("%w: expected for example runAsUser=65532,runAsGroup=65532, or none", err)
	}
	fields := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		value := pairs[name]
		if pattern := scalars[name]; pattern == nil || !pattern.MatchString(value) {
			return fmt.Errorf("%s is not understood: expected true or false, or the ID of a user or group, for any of %s",
				identity.Quote(name+"="+value), strings.Join(slices.Sorted(maps.Keys(scalars)), ", "))
		}
		fields[name] = json.RawMessage(value)
	}
	object, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	*s = securityContextValue{}
	return json.Unmarshal(object, (*corev1.SecurityContext)(s))
}

// String implements kingpin.Value.
func (s *securityContextValue) String() string { return "" }

// splitPairs parses name=value,name=value.
func splitPairs(text string) (map[string]string, error) {
	pairs := map[string]string{}
	if text = strings.TrimSpace(text); text == nothing {
		return pairs, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		if _, twice := pairs[name]; !found || twice {
			return nil, fmt.Errorf("%s is not name=value, or is a duplicate", identity.Quote(pair))
		}
		pairs[name] = strings.TrimSpace(value)
	}
	return pairs, nil
}

// checkSidecarLimits returns an error if the API server would refuse every pod with the
// sidecar.
func checkSidecarLimits(c *Config) error {
	for _, name := range slices.Sorted(maps.Keys(c.SidecarLimits)) {
		limit, request := c.SidecarLimits[name], c.SidecarRequests[name]
		if request.Cmp(limit) > 0 {
			return fmt.Errorf("%s of %s is less than the request of %s: expected a limit that is not below it", limit.String(), name, request.String())
		}
	}
	return nil
}

func checkPullPolicy(value string) error {
	switch corev1.PullPolicy(value) {
	case corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
		return nil
	default:
		return fmt.Errorf("%s is not a pull policy: expected Always, IfNotPresent or Never", identity.Quote(value))
	}
}
