package admission

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"kube-aws-iam-controller/internal/identity"
)

// container is the JSON of a container, and what is kept of it.
type container struct {
	Name          string                              `json:"name"`
	RestartPolicy string                              `json:"restartPolicy"`
	Env           sparseList[variable, variable]      `json:"env"`
	VolumeMounts  sparseList[volumeMount, mountOwner] `json:"volumeMounts"`
	Resources     resources                           `json:"resources"`

	// skipped says that the pod excludes the container, guaranteed that it has what
	// the quality of service Guaranteed takes.
	skipped, guaranteed bool
}

// addTo keeps one more container than a pod may have, so that it can be told that
// there are too many.
func (c container) addTo(kept []container) []container {
	if len(kept) > maxContainers {
		return kept
	}
	c.Name, c.RestartPolicy = truncate(c.Name), truncate(c.RestartPolicy)
	c.guaranteed, c.Resources = c.Resources.guaranteed(), resources{}
	return append(kept, c)
}

// variable is an environment variable.
type variable struct {
	Name string `json:"name"`
}

// addTo keeps the variables that we would set, or that conflict with one of them.
func (v variable) addTo(kept []variable) []variable {
	if !relevantVariables[v.Name] {
		return kept
	}
	return appendNew(kept, v)
}

// relevantVariables are the names of all variables that any container is given, and
// of those that conflict with one.
var relevantVariables = func() map[string]bool {
	names := map[string]bool{}
	for _, delivery := range identity.Deliveries() {
		for _, g := range variables(identity.Injection{Delivery: delivery, Region: "any"}) {
			for _, conflict := range g.conflicts {
				names[conflict] = true
			}
			for _, v := range g.variables {
				names[v.Name] = true
			}
		}
	}
	return names
}()

type volumeMount struct {
	Name        string `json:"name"`
	MountPath   string `json:"mountPath"`
	SubPath     string `json:"subPath"`
	SubPathExpr string `json:"subPathExpr"`
}

// mountOwner says whose a mount at our path is.
type mountOwner string

const (
	ourMount     mountOwner = "ours"
	foreignMount mountOwner = "foreign"
	// longPath is a mount whose path is too long to be compared.
	longPath mountOwner = "long path"
)

// addTo keeps whose mounts there are at our path. Paths are compared as the kernel
// resolves them; the kubelet takes one without a leading slash as absolute. A
// subPath of our volume is foreign, and so is a mount below our path: nothing can be
// mounted below a read-only mount.
func (m volumeMount) addTo(kept []mountOwner) []mountOwner {
	if utf8.RuneCountInString(m.MountPath) > maxPathLength {
		return appendNew(kept, longPath)
	}
	at := path.Clean("/" + m.MountPath)
	switch {
	case at == MountPath && m.Name == VolumeName && m.SubPath == "" && m.SubPathExpr == "":
		return appendNew(kept, ourMount)
	case at == MountPath || strings.HasPrefix(at, MountPath+"/"):
		return appendNew(kept, foreignMount)
	default:
		return kept
	}
}

// appendNew appends an element that is not there yet.
func appendNew[E comparable](s []E, e E) []E {
	if slices.Contains(s, e) {
		return s
	}
	return append(s, e)
}
