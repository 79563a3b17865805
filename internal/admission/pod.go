package admission

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// A Pod is what is read of one. It is little, whatever was posted: Go's own
// type of a container takes two hundred times the space of the shortest JSON of
// one, and a pod is held while its ServiceAccount is looked up.
type Pod struct {
	// Name is the pod's, or what its name begins with; Account is its
	// ServiceAccount's.
	Name, Account string

	leftAlone, hostNetwork bool
	// windows says that the pod is for Windows nodes, asRoot that its containers
	// run as root unless they say otherwise, ownResources that it has resources
	// as a whole.
	windows, asRoot, ownResources bool

	volumes                    list[volume, secretVolume]
	containers, initContainers list[container, container]
}

// Read reads a pod.
func Read(text []byte) (*Pod, error) {
	var object struct {
		Metadata struct {
			Name         string `json:"name"`
			GenerateName string `json:"generateName"`
			Labels       notes  `json:"labels"`
			Annotations  notes  `json:"annotations"`
		} `json:"metadata"`
		Spec struct {
			ServiceAccountName string `json:"serviceAccountName"`
			HostNetwork        bool   `json:"hostNetwork"`
			OS                 struct {
				Name corev1.OSName `json:"name"`
			} `json:"os"`
			NodeSelector    notes `json:"nodeSelector"`
			SecurityContext struct {
				RunAsUser *int64 `json:"runAsUser"`
			} `json:"securityContext"`
			Resources      resources                  `json:"resources"`
			Volumes        list[volume, secretVolume] `json:"volumes"`
			Containers     list[container, container] `json:"containers"`
			InitContainers list[container, container] `json:"initContainers"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	meta, spec := &object.Metadata, &object.Spec
	_, mirror := meta.Annotations[corev1.MirrorPodAnnotationKey]
	pod := &Pod{
		Name:    short(cmp.Or(meta.Name, meta.GenerateName)),
		Account: short(cmp.Or(spec.ServiceAccountName, "default")),
		// The pod says so, or is the mirror of what a node runs anyway.
		leftAlone:      mirror || meta.Labels[api.InjectLabel] == "false",
		hostNetwork:    spec.HostNetwork,
		windows:        spec.OS.Name == corev1.Windows || spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows),
		asRoot:         spec.SecurityContext.RunAsUser != nil && *spec.SecurityContext.RunAsUser == 0,
		ownResources:   !spec.Resources.none(),
		volumes:        spec.Volumes,
		containers:     spec.Containers,
		initContainers: spec.InitContainers,
	}
	pod.skip(meta.Annotations[api.SkipContainersAnnotation])
	return pod, nil
}

// skip marks the containers that are named, separated by commas. There may be
// many of both, so each name is looked up once.
func (p *Pod) skip(names string) {
	skipped := map[string]bool{}
	all := [][]container{p.containers.kept, p.initContainers.kept}
	for _, containers := range all {
		for i := range containers {
			skipped[containers[i].Name] = false
		}
	}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if _, has := skipped[name]; has {
			skipped[name] = true
		}
	}
	for _, containers := range all {
		for i := range containers {
			containers[i].skipped = skipped[containers[i].Name]
		}
	}
}

// A container is what is read of one.
type container struct {
	Name          string                      `json:"name"`
	RestartPolicy string                      `json:"restartPolicy"`
	Env           list[variable, variable]    `json:"env"`
	VolumeMounts  list[mountPoint, mountKind] `json:"volumeMounts"`
	Resources     resources                   `json:"resources"`

	skipped, guaranteed bool
}

// addTo keeps one more than there may be, to see that they are too many.
func (c container) addTo(kept []container) []container {
	if len(kept) > maxContainers {
		return kept
	}
	c.Name, c.RestartPolicy = short(c.Name), short(c.RestartPolicy)
	c.guaranteed, c.Resources = c.Resources.guaranteed(), resources{}
	return append(kept, c)
}

type variable struct {
	Name string `json:"name"`
}

// addTo keeps variables that decide about one of ours.
func (v variable) addTo(kept []variable) []variable {
	if !decisive[v.Name] || slices.Contains(kept, v) {
		return kept
	}
	return append(kept, v)
}

// decisive are the names of all variables that containers are given, and of
// their rivals.
var decisive = func() map[string]bool {
	names := map[string]bool{}
	for _, delivery := range []identity.Delivery{identity.DeliverProcess, identity.DeliverFile, identity.DeliverEndpoint} {
		for _, g := range variables(identity.Injection{Delivery: delivery, Region: "any"}) {
			for _, rival := range g.rivals {
				names[rival] = true
			}
			for _, v := range g.variables {
				names[v.Name] = true
			}
		}
	}
	return names
}()

type mountPoint struct {
	Name        string `json:"name"`
	MountPath   string `json:"mountPath"`
	SubPath     string `json:"subPath"`
	SubPathExpr string `json:"subPathExpr"`
}

// mountKind is whose a mount at our path is.
type mountKind string

const (
	ourMount     mountKind = "ours"
	foreignMount mountKind = "foreign"
)

// addTo compares paths as the kernel resolves them, and the kubelet takes one
// without a slash in front for absolute. A part of our volume is not ours. What
// is below our path is foreign as well: nothing can be mounted below a read-only
// mount.
func (m mountPoint) addTo(kept []mountKind) []mountKind {
	kind, at := foreignMount, path.Clean("/"+m.MountPath)
	switch {
	case at == mountPath && m.Name == volumeName && m.SubPath == "" && m.SubPathExpr == "":
		kind = ourMount
	case at != mountPath && !strings.HasPrefix(at, mountPath+"/"):
		return kept
	}
	if slices.Contains(kept, kind) {
		return kept
	}
	return append(kept, kind)
}

type volume struct {
	Name   string `json:"name"`
	Secret *struct {
		SecretName string                  `json:"secretName"`
		Items      list[nothing, struct{}] `json:"items"`
		Optional   bool                    `json:"optional"`
	} `json:"secret"`
}

// secretVolume is the name of the Secret in a volume of our name, "" for a
// volume that is not of a whole Secret.
type secretVolume string

// addTo keeps two at most, one of which is foreign.
func (v volume) addTo(kept []secretVolume) []secretVolume {
	if v.Name != volumeName || len(kept) > 1 {
		return kept
	}
	var secret secretVolume
	if v.Secret != nil && v.Secret.Items.length == 0 && !v.Secret.Optional {
		secret = secretVolume(short(v.Secret.SecretName))
	}
	if slices.Contains(kept, secret) {
		return kept
	}
	return append(kept, secret)
}
