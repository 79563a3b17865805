package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/api"
)

// A list is a JSON array of T, of whose items only that is kept which decides
// something. The items are read one by one.
type list[T item[K], K any] struct {
	length int
	kept   []K
}

// An item adds to what is kept what of it is not there yet.
type item[K any] interface{ addTo(kept []K) []K }

// UnmarshalJSON implements json.Unmarshaler.
func (l *list[T, K]) UnmarshalJSON(text []byte) error {
	*l = list[T, K]{}
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

// nothing is an item of which nothing is read.
type nothing struct{}

func (nothing) addTo([]struct{}) []struct{} { return nil }

// notes are those labels, annotations or node labels of a pod that are read.
type notes map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (n *notes) UnmarshalJSON(text []byte) error {
	*n = notes{}
	return eachEntry(text, func(key, value string) {
		switch key {
		case api.InjectLabel, api.SkipContainersAnnotation, corev1.MirrorPodAnnotationKey, corev1.LabelOSStable:
			(*n)[key] = value
		}
	})
}

// eachEntry calls do for each entry of a JSON object, of which it keeps none. null
// has no entries.
func eachEntry[V any](text []byte, do func(key string, value V)) error {
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
		key, _ := token.(string) // as all keys are
		do(key, value)
	}
	return nil
}

// longestName is that of a Kubernetes object, and more than a container's.
const longestName = 253

// short returns a name, cut to what is still no name where it is too long.
func short(name string) string {
	if len(name) <= longestName {
		return name
	}
	return strings.Clone(name[:longestName+1])
}
