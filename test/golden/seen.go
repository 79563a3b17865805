package golden

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"kube-aws-iam-controller/internal/admission/admissiontest"
)

// seen is what the API server makes of a case's pods while nothing else touches them.
type seen struct {
	// given and wanted are the two as they are kept, see text; wanted is "" for a pod that is refused.
	given, wanted string
	// dropped are the fields of the given pod that are not kept, as JSON paths without indexes.
	dropped []string
}

// look asks the API server. Releases differ in the fields that they know, and in what they add.
func (p *Pods) look(ctx context.Context, c *admissiontest.Case) (looked seen, err error) {
	kept, err := p.Create(ctx, c, c.Given)
	if err != nil {
		return seen{}, err
	}
	if looked.given, err = text(kept); err != nil {
		return seen{}, err
	}
	if looked.dropped, err = dropped(&c.Given.Spec, &kept.Spec); err != nil || c.Refusal != "" {
		return looked, err
	}
	made, err := p.Create(ctx, c, c.Wanted)
	if err != nil {
		return seen{}, err
	}
	looked.wanted, err = text(made)
	return looked, err
}

// outcomes are the pods that a case may become, as they are kept. A release that drops a field does so when it reads the pod,
// before admission sees it, or when it writes it, after that. In the former case the pod is another case's: of the same
// ServiceAccounts, and kept as the same.
func (p *Pods) outcomes(c *admissiontest.Case) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []string{p.seen[c.Name].wanted}
	if len(p.seen[c.Name].dropped) == 0 {
		return all
	}
	for i := range p.cases {
		other := &p.cases[i]
		if as := p.seen[other.Name]; as.given == p.seen[c.Name].given && len(as.dropped) == 0 && as.wanted != "" &&
			other.Settings == c.Settings && reflect.DeepEqual(other.Accounts, c.Accounts) {
			all = append(all, as.wanted)
		}
	}
	return all
}

// Dropped returns the fields of the cases that the API server does not keep, as JSON paths without indexes, such as
// spec.resources.
func (p *Pods) Dropped() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]bool{}
	for _, each := range p.seen {
		for _, field := range each.dropped {
			all[field] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// text is what matters of a pod.
func text(pod *corev1.Pod) (string, error) {
	made, err := json.MarshalIndent(map[string]any{"annotations": pod.Annotations, "spec": pod.Spec}, "", " ")
	return string(made), err
}

func dropped(sent, kept *corev1.PodSpec) ([]string, error) {
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(sent)
	if err != nil {
		return nil, fmt.Errorf("read the pod that was sent: %w", err)
	}
	have, err := runtime.DefaultUnstructuredConverter.ToUnstructured(kept)
	if err != nil {
		return nil, fmt.Errorf("read the pod that is kept: %w", err)
	}
	found := missing("spec", want, have)
	slices.Sort(found)
	return slices.Compact(found), nil
}

// missing returns the paths of what is in want and not in have. What is empty counts for nothing.
func missing(path string, want, have any) (found []string) {
	switch value := want.(type) {
	case map[string]any:
		other, _ := have.(map[string]any)
		if len(value) > 0 && len(other) == 0 {
			return []string{path}
		}
		for key := range value {
			found = append(found, missing(path+"."+key, value[key], other[key])...)
		}
	case []any:
		other, _ := have.([]any)
		if len(other) < len(value) {
			return []string{path}
		}
		for i := range value {
			found = append(found, missing(path, value[i], other[i])...)
		}
	default:
		if want != nil && have == nil {
			return []string{path}
		}
	}
	return found
}
