package chart

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// Name is the chart's.
const Name = "kube-aws-iam-controller"

// Dir returns the directory of the chart.
func Dir() (string, error) {
	root, err := cluster.Root()
	return filepath.Join(root, "charts", Name), err
}

// CopiesDir is where the chart has what is copied, within it.
const CopiesDir = "templates/manifests"

// Made returns the files of the chart that follow from others, by their path within the chart.
func Made() (map[string][]byte, error) {
	made, err := Copies()
	if err != nil {
		return nil, err
	}
	made[SchemaFile], err = Schema()
	return made, err
}

// Copies returns the files of the chart that are made from manifests/, by their path within the chart. It fails if a
// kustomization has a resource that is neither copied nor known to be a template of the chart's own.
func Copies() (map[string][]byte, error) {
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	manifests := filepath.Join(root, "manifests")
	if err = complete(manifests); err != nil {
		return nil, err
	}
	made := map[string][]byte{}
	for _, s := range sources {
		text, err := os.ReadFile(filepath.Join(manifests, s.path)) //nolint:gosec // a file of the repository
		if err != nil {
			return nil, err
		}
		template, err := s.template(string(text))
		if err != nil {
			return nil, fmt.Errorf("manifests/%s: %w", s.path, err)
		}
		made[filepath.Join(CopiesDir, strings.ReplaceAll(s.path, "/", "-"))] = []byte(template)
	}
	return made, nil
}

var (
	separator = regexp.MustCompile(`(?m)^---\n`)
	metadata  = regexp.MustCompile(`(?m)^metadata:\n(?:  labels:\n)?`)
	labelled  = regexp.MustCompile(`(?m)^  labels:\n`)
)

const labels = `
    {{- include "kube-aws-iam-controller.labels" . | nindent 4 }}
`

// template makes a template of a file: its objects, but for ServiceAccounts, with the chart's labels and values.
func (s source) template(text string) (string, error) {
	var kept []string
	for _, document := range separator.Split(text, -1) {
		if strings.Contains("\n"+document, "\nkind: ServiceAccount\n") {
			continue
		}
		kept = append(kept, document)
	}
	text = strings.Join(kept, "---\n")
	for _, e := range s.edits {
		pattern := regexp.MustCompile(e.pattern)
		if !pattern.MatchString(text) {
			return "", fmt.Errorf("there is no %s any more to put %s in its place", e.pattern, e.with)
		}
		text = pattern.ReplaceAllString(text, e.with)
	}
	if strings.Contains(text, "namespace: kube-system") {
		return "", errors.New("an object of kube-system has no edit")
	}
	head := fmt.Sprintf("{{- /* Made from manifests/%s by make chart: change it there. */ -}}\n{{- if %s }}\n", s.path, s.when)
	return head + withLabels(text) + "{{- end }}\n", nil
}

// withLabels adds the chart's labels to each object of a file.
func withLabels(text string) string {
	documents := separator.Split(text, -1)
	for i, document := range documents {
		if labelled.MatchString(document) {
			documents[i] = labelled.ReplaceAllString(document, "  labels:"+labels)
			continue
		}
		documents[i] = metadata.ReplaceAllString(document, "metadata:\n  labels:"+labels)
	}
	return strings.Join(documents, "---\n")
}

// complete fails if a resource of a kustomization has no place in the chart.
func complete(manifests string) error {
	known := slices.Clone(written)
	for _, s := range sources {
		known = append(known, s.path)
	}
	return filepath.WalkDir(manifests, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		if err != nil {
			return err
		}
		var kustomization struct{ Resources []string }
		if err = yaml.Unmarshal(text, &kustomization); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, resource := range kustomization.Resources {
			file, err := filepath.Rel(manifests, filepath.Join(filepath.Dir(path), resource))
			if err == nil && filepath.Ext(file) == ".yaml" && !slices.Contains(known, file) {
				err = fmt.Errorf("manifests/%s has no place in the chart: say in test/chart/sources.go what becomes of it", file)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
