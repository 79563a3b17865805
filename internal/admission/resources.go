package admission

import (
	"encoding/json"
	"maps"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// resources are the requests and limits of a container, or of a pod as a whole.
type resources struct {
	Requests resourceList `json:"requests"`
	Limits   resourceList `json:"limits"`
}

// empty says whether neither requests nor limits name a resource.
func (r *resources) empty() bool { return !r.Requests.any && !r.Limits.any }

// guaranteed says whether a container has what the quality of service Guaranteed
// takes: limits of CPU and memory, and requests that equal them. A missing request
// defaults to the limit.
func (r *resources) guaranteed() bool {
	for _, pair := range [][2]quantity{{r.Limits.cpu, r.Requests.cpu}, {r.Limits.memory, r.Requests.memory}} {
		limit, request := pair[0], pair[1]
		if limit == "" || limit == "0" || request != "" && !request.equals(limit) {
			return false
		}
	}
	return true
}

// resourceList keeps the quantities that decide about the quality of service.
type resourceList struct {
	cpu, memory quantity
	any         bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *resourceList) UnmarshalJSON(text []byte) error {
	*l = resourceList{}
	return forEachEntry(text, func(name string, value quantity) {
		l.any = true
		switch name {
		case string(corev1.ResourceCPU):
			l.cpu = value
		case string(corev1.ResourceMemory):
			l.memory = value
		}
	})
}

// A quantity is a quantity as it is written.
type quantity string

// maxQuantityLength is more than the API server writes.
const maxQuantityLength = 40

// UnmarshalJSON implements json.Unmarshaler. A quantity may also be a number. One
// that is too long is kept as 0.
func (q *quantity) UnmarshalJSON(text []byte) error {
	switch {
	case len(text) > maxQuantityLength:
		*q = "0"
	case text[0] != '"':
		*q = quantity(text)
	default:
		return json.Unmarshal(text, (*string)(q))
	}
	return nil
}

// withoutExponent matches quantities that take no more memory than their length
// suggests. 1e999999999 is not one of them.
var withoutExponent = regexp.MustCompile(`^[0-9.]+[a-zA-Z]*$`)

// equals compares by value, so that 1 equals 1000m.
func (q quantity) equals(other quantity) bool {
	if q == other {
		return true
	}
	if !withoutExponent.MatchString(string(q)) || !withoutExponent.MatchString(string(other)) {
		return false
	}
	x, err1 := resource.ParseQuantity(string(q))
	y, err2 := resource.ParseQuantity(string(other))
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
}

// sidecarResources returns the requests and limits of the sidecar. It has none if the
// pod as a whole has some, which the sidecar's could exceed. If all other containers
// are guaranteed, its requests equal its limits, so that the pod keeps its quality of
// service.
func sidecarResources(pod *Pod, settings *Sidecar) corev1.ResourceRequirements {
	switch {
	case pod.podResources:
		return corev1.ResourceRequirements{}
	case pod.guaranteed():
		both := maps.Clone(settings.Requests)
		if both == nil {
			both = corev1.ResourceList{}
		}
		maps.Copy(both, settings.Limits)
		return corev1.ResourceRequirements{Requests: both, Limits: both}
	default:
		return corev1.ResourceRequirements{Requests: settings.Requests, Limits: settings.Limits}
	}
}

// guaranteed says whether the pod has the quality of service Guaranteed.
func (p *Pod) guaranteed() bool {
	for _, containers := range [][]container{p.containers.kept, p.initContainers.kept} {
		for i := range containers {
			if !containers[i].guaranteed {
				return false
			}
		}
	}
	return true
}
