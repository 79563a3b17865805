// Package admissiontest reads the pods that all implementations of admission are
// tested with.
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

// A Case is a pod, the objects and settings it depends on, and the expected outcome.
type Case struct {
	// Name is the name of the file without .yaml, Path its path.
	Name, Path string
	Settings   Settings
	Accounts   []corev1.ServiceAccount
	// Given is the pod as its author wrote it, Wanted the pod as it is created, nil if
	// it is refused.
	Given, Wanted *corev1.Pod
	// Refusal is the message with which it is refused, "" if it is not.
	Refusal string

	given string // the file up to the expected outcome
}

// Settings are the settings of the installation, as its flags and the policy's
// variables have them; "" is the default.
type Settings struct {
	DefaultRegion   string `json:"defaultRegion"`
	ImagePullPolicy string `json:"imagePullPolicy"`
	Requests        string `json:"requests"`
	Limits          string `json:"limits"`
	SecurityContext string `json:"securityContext"`
	IRSAAnnotations string `json:"irsaAnnotations"`
}

// Variables returns the controller's environment variables that are set, by name
// without the common prefix.
func (s Settings) Variables() map[string]string {
	variables := map[string]string{
		"DEFAULT_REGION":                       s.DefaultRegion,
		"CREDENTIALS_SERVER_IMAGE_PULL_POLICY": s.ImagePullPolicy,
		"CREDENTIALS_SERVER_REQUESTS":          s.Requests,
		"CREDENTIALS_SERVER_LIMITS":            s.Limits,
		"CREDENTIALS_SERVER_SECURITY_CONTEXT":  s.SecurityContext,
		"IRSA_ANNOTATIONS":                     s.IRSAAnnotations,
	}
	maps.DeleteFunc(variables, func(_, value string) bool { return value == "" })
	return variables
}

// Load reads all cases in a directory.
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
	text, err := os.ReadFile(path) //nolint:gosec // the path is a test's
	if err != nil {
		return Case{}, err
	}
	c := Case{Name: strings.TrimSuffix(filepath.Base(path), ".yaml"), Path: path}
	documents := strings.Split(string(text), separator)
	for i, document := range documents {
		if err := c.add([]byte(document)); err != nil {
			return Case{}, fmt.Errorf("document %d: %w", i+1, err)
		}
		if c.given == "" && c.Given != nil {
			c.given = strings.TrimSuffix(strings.Join(documents[:i+1], separator), "\n")
		}
	}
	return c, nil
}

// add adds one document. The first pod is the one given, the second the expected one.
func (c *Case) add(document []byte) error {
	var header struct {
		metav1.TypeMeta `json:",inline"`

		Settings
		Message string
	}
	if err := yaml.Unmarshal(document, &header); err != nil {
		return err
	}
	switch {
	case header.Kind == "Settings":
		c.Settings = header.Settings
	case header.Kind == "ServiceAccount":
		var account corev1.ServiceAccount
		err := yaml.UnmarshalStrict(document, &account)
		c.Accounts = append(c.Accounts, account)
		return err
	case header.Kind == "Pod" && c.Given == nil:
		return yaml.UnmarshalStrict(document, &c.Given)
	case header.Kind == "Pod":
		return yaml.UnmarshalStrict(document, &c.Wanted)
	case header.Kind == "Unchanged":
		c.Wanted = c.Given.DeepCopy()
	case header.Kind == "Refused":
		c.Refusal = header.Message
	default:
		return fmt.Errorf("kind %q is not understood", header.Kind)
	}
	return nil
}

// Update writes the outcome into the file: the pod, or nil and why it is refused.
func (c *Case) Update(got *corev1.Pod, refusal string) error {
	var outcome any = got
	given, err := yaml.Marshal(c.Given)
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(got)
	switch {
	case err != nil:
		return err
	case got == nil:
		outcome = map[string]string{"kind": "Refused", "message": refusal}
	case bytes.Equal(given, text):
		outcome = map[string]string{"kind": "Unchanged"}
	}
	if text, err = yaml.Marshal(outcome); err != nil {
		return err
	}
	return os.WriteFile(c.Path, []byte(c.given+separator+string(text)), 0o600)
}

// Account returns the name and the annotations of the pod's ServiceAccount.
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
