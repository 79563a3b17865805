package rights

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// A refusal is as much of a right as the API server names when it refuses it.
type refusal struct{ verb, group, resource string }

func (r refusal) String() string {
	resource, subresource, has := strings.Cut(r.resource, "/")
	if r.group != "" {
		resource += "." + r.group
	}
	if has {
		resource += "/" + subresource
	}
	return r.verb + " " + resource
}

// output is what the controllers have logged, with the quotes of what they quote.
func (w *world) output() string {
	log, _ := os.ReadFile(w.log) // nothing ran if there is none
	return strings.ReplaceAll(string(log), `\"`, `"`)
}

// refused is how the API server words a refusal.
var refused = regexp.MustCompile(`cannot (\w+) resource "([^"]+)" in API group "([^"]*)"`)

func (r refusal) message() string {
	return fmt.Sprintf(`cannot %s resource "%s" in API group "%s"`, r.verb, r.resource, r.group)
}

// refusals are all that the controllers say they were refused.
func (w *world) refusals() (all []refusal) {
	for _, m := range refused.FindAllStringSubmatch(w.output(), -1) {
		if r := (refusal{verb: m[1], resource: m[2], group: m[3]}); !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// saysItIsNotServed says whether a controller says that it lacks what it needs to watch.
func saysItIsNotServed(log string, r refusal) bool {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "not served until the API server allows it") && strings.Contains(line, r.message()) {
			return true
		}
	}
	return false
}
