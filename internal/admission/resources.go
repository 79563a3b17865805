package admission

import (
	"encoding/json"
	"maps"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// resources are those of a container or of a whole pod.
type resources struct {
	Requests amounts `json:"requests"`
	Limits   amounts `json:"limits"`
}

// none says whether neither requests nor limits name a resource.
func (r *resources) none() bool { return !r.Requests.any && !r.Limits.any }

// guaranteed says whether a container has what a pod of the quality of service
// Guaranteed asks of all its containers: a limit of processor time and one of
// memory, and requests that equal them. A request that is absent equals its
// limit.
func (r *resources) guaranteed() bool {
	for _, pair := range [][2]amount{{r.Limits.cpu, r.Requests.cpu}, {r.Limits.memory, r.Requests.memory}} {
		limit, request := pair[0], pair[1]
		if limit == "" || limit == "0" || request != "" && !request.equals(limit) {
			return false
		}
	}
	return true
}

// amounts are a list of resources, of which those are kept that decide about
// the quality of service.
type amounts struct {
	cpu, memory amount
	any         bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *amounts) UnmarshalJSON(text []byte) error {
	*a = amounts{}
	return eachEntry(text, func(name string, value amount) {
		a.any = true
		switch name {
		case string(corev1.ResourceCPU):
			a.cpu = value
		case string(corev1.ResourceMemory):
			a.memory = value
		}
	})
}

// An amount is a quantity as it is written.
type amount string

// longestAmount is more than the API server writes.
const longestAmount = 40

// UnmarshalJSON implements json.Unmarshaler: a quantity may be a number as well.
// One that is too long is kept as none.
func (a *amount) UnmarshalJSON(text []byte) error {
	switch {
	case len(text) > longestAmount:
		*a = "0"
	case text[0] != '"':
		*a = amount(text)
	default:
		return json.Unmarshal(text, (*string)(a))
	}
	return nil
}

// plain are quantities without an exponent, the size of which is bounded by
// their length.
var plain = regexp.MustCompile(`^[0-9.]+[a-zA-Z]*$`)

// equals compares by value, so that 1 is 1000m.
func (a amount) equals(b amount) bool {
	if a == b {
		return true
	}
	if !plain.MatchString(string(a)) || !plain.MatchString(string(b)) {
		return false
	}
	x, err1 := resource.ParseQuantity(string(a))
	y, err2 := resource.ParseQuantity(string(b))
	return err1 == nil && err2 == nil && x.Cmp(y) == 0
}

// sidecarResources are the sidecar's own, as they fit the pod. None where the
// pod has resources as a whole, which the installation's could exceed; requests
// that equal the limits where all other containers have that, because one that
// has not takes the pod's quality of service.
func sidecarResources(pod *Pod, settings *Sidecar) corev1.ResourceRequirements {
	switch {
	case pod.ownResources:
		return corev1.ResourceRequirements{}
	case pod.guaranteed():
		all := maps.Clone(settings.Requests)
		if all == nil {
			all = corev1.ResourceList{}
		}
		maps.Copy(all, settings.Limits)
		return corev1.ResourceRequirements{Requests: all, Limits: all}
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
