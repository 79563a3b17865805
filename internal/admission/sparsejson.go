package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
)

// A sparseList decodes a JSON array item by item, and keeps of the items only what
// a decision depends on. So a pod takes little memory, whatever was posted.
type sparseList[T item[K], K any] struct {
	length int
	kept   []K
}

// An item of type T adds what is to be kept of it, unless that is there already.
type item[K any] interface{ addTo(kept []K) []K }

// UnmarshalJSON implements json.Unmarshaler.
func (l *sparseList[T, K]) UnmarshalJSON(text []byte) error {
	*l = sparseList[T, K]{}
	d := json.NewDecoder(bytes.NewReader(text))
	switch start, err := d.Token(); {
	case err != nil || start == nil:
		return err
	case start != json.Delim('['):
		return errors.New("not a list")
	}
	for ; d.More(); l.length++ {
		var next T
		if err := d.Decode(&next); err != nil {
			return err
		}
		l.kept = next.addTo(l.kept)
	}
	return nil
}

// ignored is an item of which only the number is of interest.
type ignored struct{}

func (ignored) addTo([]struct{}) []struct{} { return nil }

// sparseMap decodes a map of labels or annotations, and keeps those that a decision
// depends on.
type sparseMap map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (m *sparseMap) UnmarshalJSON(text []byte) error {
	*m = sparseMap{}
	return forEachEntry(text, func(key, value string) {
		switch key {
		case api.InjectLabel, api.SkipContainersAnnotation, corev1.MirrorPodAnnotationKey, corev1.LabelOSStable:
			(*m)[key] = value
		}
	})
}

// forEachEntry calls do for each entry of a JSON object, one decoded at a time. null
// has no entries.
func forEachEntry[V any](text []byte, do func(key string, value V)) error {
	d := json.NewDecoder(bytes.NewReader(text))
	switch start, err := d.Token(); {
	case err != nil || start == nil:
		return err
	case start != json.Delim('{'):
		return errors.New("not a map")
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		var value V
		if err = d.Decode(&value); err != nil {
			return err
		}
		key, _ := token.(string) // as every key is
		do(key, value)
	}
	return nil
}

// maxNameLength is that of a Kubernetes object, and longer than a container's.
const maxNameLength = 253

// truncate shortens a name that is too long to one that is still too long to be
// valid. It copies, so that the text it was part of can be freed.
func truncate(name string) string {
	if len(name) <= maxNameLength {
		return name
	}
	return strings.Clone(name[:maxNameLength+1])
}
