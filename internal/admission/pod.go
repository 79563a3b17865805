package admission

import (
	"cmp"
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
)

// A Pod is the part of a pod that decides about its injection. It is small whatever
// was posted, because it is held while the ServiceAccount is looked up: corev1's
// type of a container takes two hundred times the space of the shortest JSON of one.
type Pod struct {
	// Name is the pod's name, or the prefix that its name is generated from. Account
	// is the name of its ServiceAccount.
	Name, Account string

	// excluded says that the pod is not to be changed, by its label or because it is
	// the mirror of a static pod, which runs on its node anyway.
	excluded    bool
	hostNetwork bool
	// windows says that the pod is for Windows nodes.
	windows bool
	// runsAsRoot says that its containers run as root unless they say otherwise.
	runsAsRoot bool
	// podResources says that the pod as a whole has requests or limits.
	podResources bool
	// skippedNames is how many names the pod excludes, of its containers or not.
	skippedNames int

	volumes                    sparseList[volume, secretName]
	containers, initContainers sparseList[container, container]
}

// podObject is the JSON of a pod.
type podObject struct {
	Metadata struct {
		Name         string    `json:"name"`
		GenerateName string    `json:"generateName"`
		Labels       sparseMap `json:"labels"`
		Annotations  sparseMap `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		ServiceAccountName string `json:"serviceAccountName"`
		HostNetwork        bool   `json:"hostNetwork"`
		OS                 struct {
			Name corev1.OSName `json:"name"`
		} `json:"os"`
		NodeSelector    sparseMap `json:"nodeSelector"`
		SecurityContext struct {
			RunAsUser *int64 `json:"runAsUser"`
		} `json:"securityContext"`
		Resources      resources                        `json:"resources"`
		Volumes        sparseList[volume, secretName]   `json:"volumes"`
		Containers     sparseList[container, container] `json:"containers"`
		InitContainers sparseList[container, container] `json:"initContainers"`
	} `json:"spec"`
}

// Read decodes the JSON of a pod.
func Read(text []byte) (*Pod, error) {
	var object podObject
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	meta, spec := &object.Metadata, &object.Spec
	_, mirror := meta.Annotations[corev1.MirrorPodAnnotationKey]
	pod := &Pod{
		Name:           truncate(cmp.Or(meta.Name, meta.GenerateName)),
		Account:        truncate(cmp.Or(spec.ServiceAccountName, "default")),
		excluded:       mirror || meta.Labels[api.InjectLabel] == "false",
		hostNetwork:    spec.HostNetwork,
		windows:        spec.OS.Name == corev1.Windows || spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows),
		runsAsRoot:     spec.SecurityContext.RunAsUser != nil && *spec.SecurityContext.RunAsUser == 0,
		podResources:   !spec.Resources.empty(),
		volumes:        spec.Volumes,
		containers:     spec.Containers,
		initContainers: spec.InitContainers,
	}
	pod.skip(meta.Annotations[api.SkipContainersAnnotation])
	return pod, nil
}

// skip marks the containers with the names given, separated by commas. Both may be
// many, so the time it takes must not be their product.
func (p *Pod) skip(names string) {
	p.skippedNames = strings.Count(names, ",") + 1
	skipped := map[string]bool{}
	both := [][]container{p.containers.kept, p.initContainers.kept}
	for _, containers := range both {
		for i := range containers {
			skipped[containers[i].Name] = false
		}
	}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if _, exists := skipped[name]; exists {
			skipped[name] = true
		}
	}
	for _, containers := range both {
		for i := range containers {
			containers[i].skipped = skipped[containers[i].Name]
		}
	}
}

// volume is the JSON of a volume.
type volume struct {
	Name   string `json:"name"`
	Secret *struct {
		SecretName string                        `json:"secretName"`
		Items      sparseList[ignored, struct{}] `json:"items"`
		Optional   bool                          `json:"optional"`
	} `json:"secret"`
}

// secretName is the Secret of a volume with our name, "" for a volume of anything
// but a whole Secret.
type secretName string

// addTo keeps two at most: one of them is then not ours.
func (v volume) addTo(kept []secretName) []secretName {
	if v.Name != VolumeName || len(kept) > 1 {
		return kept
	}
	var secret secretName
	if v.Secret != nil && v.Secret.Items.length == 0 && !v.Secret.Optional {
		secret = secretName(truncate(v.Secret.SecretName))
	}
	return appendNew(kept, secret)
}
