package admission

import (
	"fmt"
	"slices"

	"kube-aws-iam-controller/internal/api"
)

// What a pod may have to be given credentials. The patch for maxContainers has some
// five thousand operations, and half a megabyte. The others keep short what the API
// server does for the policy, which grows with the square of the length of each list:
// a pod of the size that it accepts would take it a quarter of a minute.
const (
	maxContainers   = 500
	maxVolumes      = 1_000
	maxListLength   = 1_000  // of the variables, and of the volume mounts, of a container
	maxItems        = 10_000 // all of these together
	maxPathLength   = 1_000  // characters
	maxSkippedNames = 1_000

	// What a pod was given before does not count, lest it be refused when it is posted
	// again: at most 9 variables and a mount for each container.
	givenListLength = 100
	givenItems      = 10_000
)

// tooManyVolumes returns why a pod with too many volumes is refused, "" if it has not.
func tooManyVolumes(pod *Pod) string {
	n := pod.volumes.length
	if n <= maxVolumes || n == maxVolumes+1 && pod.given() {
		return ""
	}
	return overLimit(fmt.Sprintf("has %d volumes", n), maxVolumes)
}

// tooMuch returns why a pod with too many containers, or with too much in them, is
// refused, "" if it has not. Our sidecar does not count as a container.
func tooMuch(pod *Pod) string {
	containers := pod.containers.length + pod.initContainers.length
	tooMany := overLimit(fmt.Sprintf("has %d containers and init containers", containers), maxContainers)
	inList, inAll := maxListLength, maxItems
	if pod.given() {
		inList, inAll = inList+givenListLength, inAll+givenItems
	}
	longest, total := pod.items()
	switch {
	case containers > maxContainers+1:
		return tooMany
	case pod.skippedNames > maxSkippedNames:
		return overLimit(fmt.Sprintf("has %d names in %s", pod.skippedNames, api.SkipContainersAnnotation), maxSkippedNames)
	case longest > inList:
		return overLimit(fmt.Sprintf("has a container with %d environment variables or volume mounts", longest), maxListLength)
	case total > inAll:
		return overLimit(fmt.Sprintf("has %d environment variables and volume mounts", total), maxItems)
	case pod.hasLongPath():
		return overLimit(fmt.Sprintf("has a mount path of more than %d characters", maxPathLength), maxPathLength)
	case containers > maxContainers && !slices.ContainsFunc(pod.initContainers.kept, isSidecar):
		return tooMany
	default:
		return ""
	}
}

// items returns the length of the longest list of variables, or of volume mounts, of
// a container, and of all of these together.
func (p *Pod) items() (longest, total int) {
	for _, containers := range [][]container{p.containers.kept, p.initContainers.kept} {
		for i := range containers {
			for _, n := range []int{containers[i].Env.length, containers[i].VolumeMounts.length} {
				longest, total = max(longest, n), total+n
			}
		}
	}
	return longest, total
}

// overLimit returns the message for a pod that has more than it may.
func overLimit(has string, limit int) string {
	return fmt.Sprintf("the pod %s; a pod that is given credentials may have at most %d: "+
		"reduce this, or opt the pod out with the label %s: \"false\"", has, limit, api.InjectLabel)
}

// given says whether the pod has a volume with our name, so that it may have been
// given credentials already.
func (p *Pod) given() bool { return len(p.volumes.kept) > 0 }

func (p *Pod) hasLongPath() bool {
	long := func(c container) bool { return slices.Contains(c.VolumeMounts.kept, longPath) }
	return slices.ContainsFunc(p.containers.kept, long) || slices.ContainsFunc(p.initContainers.kept, long)
}
