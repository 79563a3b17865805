// Package admissiontest reads the pods that every implementation of admission
// is held against.
package admissiontest

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// A Case is one pod, what is around it, and what becomes of it.
type Case struct {
	// Name is the file's, without .yaml; Path is where it is.
	Name, Path string
	Settings   Settings
	Accounts   []corev1.ServiceAccount
	// Given is the pod as its author wrote it, Wanted as it is created: equal
	// if nothing is to be done.
	Given, Wanted *corev1.Pod
	// Refusal is the message with which it is not created at all, "" if it is.
	Refusal string

	given string // the file up to what is wanted
}

// Settings are the installation's, as its flags and the policy's variables have
// them; "" is the default.
type Settings struct {
	DefaultRegion   string `json:"defaultRegion"`
	ImagePullPolicy string `json:"imagePullPolicy"`
	Requests        string `json:"requests"`
	Limits          string `json:"limits"`
	SecurityContext string `json:"securityContext"`
}

// Variables are the names of the controller's environment variables, without
// what they all begin with, and their values, as far as they are set.
func (s Settings) Variables() map[string]string {
	variables := map[string]string{
		"DEFAULT_REGION":                       s.DefaultRegion,
		"CREDENTIALS_SERVER_IMAGE_PULL_POLICY": s.ImagePullPolicy,
		"CREDENTIALS_SERVER_REQUESTS":          s.Requests,
		"CREDENTIALS_SERVER_LIMITS":            s.Limits,
		"CREDENTIALS_SERVER_SECURITY_CONTEXT":  s.SecurityContext,
	}
	maps.DeleteFunc(variables, func(_, value string) bool { return value == "" })
	return variables
}

// Load reads every case in a directory.
func Load(dir string) ([]Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	cases := make([]Case, len(paths))
	for i, path := range paths {
		if cases[i], err = read(path); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return cases, nil
}

const separator = "\n---\n"

func read(path string) (Case, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a test names it
	if err != nil {
		return Case{}, err
	}
	c := Case{Name: strings.TrimSuffix(filepath.Base(path), ".yaml"), Path: path}
	documents := strings.Split(string(text), separator)
	for i, document := range documents {
		if err := c.take([]byte(document)); err != nil {
			return Case{}, fmt.Errorf("document %d: %w", i+1, err)
		}
		if c.given == "" && c.Given != nil {
			c.given = strings.TrimSuffix(strings.Join(documents[:i+1], separator), "\n")
		}
	}
	return c, nil
}

// take reads one document: the first pod is the one given, what follows it is
// what is wanted.
func (c *Case) take(document []byte) error {
	var some struct {
		metav1.TypeMeta `json:",inline"`

		Settings
		Message string
	}
	if err := yaml.Unmarshal(document, &some); err != nil {
		return err
	}
	switch {
	case some.Kind == "Settings":
		c.Settings = some.Settings
	case some.Kind == "ServiceAccount":
		var account corev1.ServiceAccount
		err := yaml.UnmarshalStrict(document, &account)
		c.Accounts = append(c.Accounts, account)
		return err
	case some.Kind == "Pod" && c.Given == nil:
		return yaml.UnmarshalStrict(document, &c.Given)
	case some.Kind == "Pod":
		return yaml.UnmarshalStrict(document, &c.Wanted)
	case some.Kind == "Unchanged":
		c.Wanted = c.Given.DeepCopy()
	case some.Kind == "Refused":
		c.Refusal = some.Message
	default:
		return fmt.Errorf("kind %q is not understood", some.Kind)
	}
	return nil
}

// Update writes what is wanted into the file: the pod, nil if it is refused.
func (c *Case) Update(wanted *corev1.Pod, refusal string) error {
	var result any = wanted
	given, err := yaml.Marshal(c.Given)
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(wanted)
	switch {
	case err != nil:
		return err
	case wanted == nil:
		result = map[string]string{"kind": "Refused", "message": refusal}
	case bytes.Equal(given, text):
		result = map[string]string{"kind": "Unchanged"}
	}
	if text, err = yaml.Marshal(result); err != nil {
		return err
	}
	return os.WriteFile(c.Path, []byte(c.given+separator+string(text)), 0o600)
}

// Account returns the annotations of the pod's ServiceAccount.
func (c *Case) Account() (name string, annotations map[string]string) {
	name = c.Given.Spec.ServiceAccountName
	if name == "" {
		name = "default"
	}
	for i := range c.Accounts {
		if c.Accounts[i].Name == name {
			annotations = c.Accounts[i].Annotations
		}
	}
	return name, annotations
}
