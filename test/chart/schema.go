package chart

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
)

// SchemaFile is the schema of the values, within the chart.
const SchemaFile = "values.schema.json"

//go:embed constraints.yaml
var constraints []byte

// Schema returns the schema of the values, as JSON: the types of the defaults in values.yaml, their descriptions, which are
// the comments that begin with "--", and what constraints.yaml adds. What is not in values.yaml is refused, but for the
// keys of maps that have a description themselves. It fails for a value without a description, and for a constraint of
// none.
func Schema() ([]byte, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "values.yaml")) //nolint:gosec // a file of the repository
	if err != nil {
		return nil, err
	}
	var values yamlv3.Node
	if err = yamlv3.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	s := schemer{}
	if err = yamlv3.Unmarshal(constraints, &s.constraints); err != nil {
		return nil, fmt.Errorf("constraints.yaml: %w", err)
	}
	whole, err := s.object(values.Content[0], "")
	if err != nil {
		return nil, err
	}
	if len(s.constraints) > 0 {
		return nil, fmt.Errorf("constraints.yaml has values that are not there: %s", strings.Join(slices.Sorted(maps.Keys(s.constraints)), ", "))
	}
	whole["$schema"] = "http://json-schema.org/draft-07/schema#"
	return indented(whole)
}

func indented(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return out.Bytes(), err
}

// A schemer makes the schema of values.
type schemer struct {
	// constraints that no value has had yet, by path
	constraints map[string]map[string]any
}

// object is a map whose keys are known.
func (s *schemer) object(node *yamlv3.Node, path string) (map[string]any, error) {
	properties := map[string]any{}
	if path == "" {
		// Charts that have this one as a dependency give it to all of theirs.
		properties["global"] = map[string]any{"type": "object", "description": "Values of all charts of a release; not used."}
	}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		property, err := s.property(key, value, at)
		if err != nil {
			return nil, err
		}
		properties[key.Value] = property
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}, nil
}

func (s *schemer) property(key, value *yamlv3.Node, path string) (map[string]any, error) {
	description, described := strings.CutPrefix(key.HeadComment, "# -- ")
	if !described {
		if value.Kind == yamlv3.MappingNode && len(value.Content) > 0 {
			return s.object(value, path)
		}
		return nil, fmt.Errorf("values.yaml: %s has no description", path)
	}
	property := map[string]any{"description": strings.ReplaceAll(description, "\n# ", " "), "type": types[value.ShortTag()]}
	maps.Copy(property, s.constraints[path])
	delete(s.constraints, path)
	return property, nil
}

// types are those of JSON, by tag.
var types = map[string]string{
	"!!str": "string", "!!int": "integer", "!!bool": "boolean", "!!seq": "array", "!!map": "object",
}
