package iam

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// nothing is AWS::NoValue.
type nothing struct{}

// stack resolves the functions that the template uses.
type stack struct {
	t          *testing.T
	names      map[string]any
	conditions map[string]any
}

func fromCloudFormation(t *testing.T, parameters map[string]any) made {
	t.Helper()
	s, root := newStack(t, parameters)
	resources := s.value(section(t, root, "Resources"))
	role := dig(t, resources, "Controller", "Properties")
	policies, isList := dig(t, role, "Policies").([]any)
	require.True(t, isList)
	require.Len(t, policies, 1)
	have := made{
		controllerName: fmt.Sprint(dig(t, role, "RoleName")), boundaryName: fmt.Sprint(dig(t, resources, "Boundary", "Properties", "ManagedPolicyName")),
		controller: text(t, dig(t, policies[0], "PolicyDocument")), boundary: text(t, dig(t, resources, "Boundary", "Properties", "PolicyDocument")),
		trusting: text(t, dig(t, role, "AssumeRolePolicyDocument")),
	}
	association := dig(t, resources, "Association")
	assert.Equal(t, "AWS::EKS::PodIdentityAssociation", dig(t, association, "Type"))
	if s.conditions[fmt.Sprint(dig(t, association, "Condition"))] == true {
		have.association, _ = dig(t, association, "Properties").(map[string]any)
	}
	return have
}

// newStack is the template with parameters, as far as they are not left to their defaults.
func newStack(t *testing.T, parameters map[string]any) (stack, *yaml.Node) {
	t.Helper()
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(example(t, "iam", "cloudformation.yaml")), &document))
	root := document.Content[0]
	s := stack{t: t, conditions: map[string]any{}, names: map[string]any{"AWS::Partition": "aws", "AWS::AccountId": home, "AWS::NoValue": nothing{}}}
	declared, is := s.value(section(t, root, "Parameters")).(map[string]any)
	require.True(t, is)
	for name := range parameters {
		require.Contains(t, declared, name)
	}
	for name, parameter := range declared {
		value, isGiven := parameters[name]
		if !isGiven {
			value = dig(t, parameter, "Default")
		}
		if list, isList := value.([]string); isList {
			value = strings.Join(list, ",")
		}
		s.names[name] = value
		if dig(t, parameter, "Type") == "CommaDelimitedList" {
			s.names[name] = anys(strings.Split(fmt.Sprint(value), ","))
		}
	}
	s.conditions, is = s.value(section(t, root, "Conditions")).(map[string]any)
	require.True(t, is)
	s.names["Boundary"] = "arn:aws:iam::" + home + ":policy/" + fmt.Sprint(s.value(section(t, root, "Resources", "Boundary", "Properties", "ManagedPolicyName")))
	s.names["Controller.Arn"] = "arn:aws:iam::" + home + ":role/" + fmt.Sprint(s.value(section(t, root, "Resources", "Controller", "Properties", "RoleName")))
	return s, root
}

func section(t *testing.T, node *yaml.Node, keys ...string) *yaml.Node {
	t.Helper()
	for _, key := range keys {
		i := slices.IndexFunc(node.Content, func(n *yaml.Node) bool { return n.Value == key })
		require.GreaterOrEqual(t, i, 0, "there is no %s", key)
		node = node.Content[i+1]
	}
	return node
}

func anys(list []string) (all []any) {
	for _, item := range list {
		all = append(all, item)
	}
	return all
}

func (s stack) value(node *yaml.Node) any {
	s.t.Helper()
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		return s.function(node)
	}
	switch node.Kind {
	case yaml.MappingNode:
		return s.object(node)
	case yaml.SequenceNode:
		return s.list(node)
	default:
		return node.Value
	}
}

func (s stack) object(node *yaml.Node) map[string]any {
	s.t.Helper()
	all := map[string]any{}
	for i := 0; i < len(node.Content); i += 2 {
		require.Equal(s.t, "!!str", node.Content[i].Tag, "%s is no text without quotes", node.Content[i].Value)
		if value := s.value(node.Content[i+1]); value != (nothing{}) {
			all[node.Content[i].Value] = value
		}
	}
	return all
}

func (s stack) list(node *yaml.Node) []any {
	s.t.Helper()
	all := []any{}
	for _, item := range node.Content {
		if value := s.value(item); value != (nothing{}) {
			all = append(all, value)
		}
	}
	return all
}

func (s stack) function(node *yaml.Node) any {
	s.t.Helper()
	arguments := []any{node.Value}
	if node.Kind == yaml.SequenceNode {
		plain := *node
		plain.Tag = "!!seq"
		arguments, _ = s.value(&plain).([]any)
		if node.Tag == "!If" {
			return s.value(node.Content[map[any]int{true: 1, false: 2}[s.conditions[node.Content[0].Value]]])
		}
	}
	switch node.Tag {
	case "!Ref", "!GetAtt":
		require.Contains(s.t, s.names, node.Value)
		return s.names[node.Value]
	case "!Sub":
		return s.substituted(arguments)
	case "!Equals":
		return arguments[0] == arguments[1]
	case "!Not":
		return arguments[0] == false
	case "!Join":
		return strings.Join(texts(arguments[1]), fmt.Sprint(arguments[0]))
	case "!Split":
		return anys(strings.Split(fmt.Sprint(arguments[1]), fmt.Sprint(arguments[0])))
	default:
		require.Fail(s.t, "this function is not known here", node.Tag)
		return nil
	}
}

// substituted puts names in, those that come with the text first. ${! stands for ${.
func (s stack) substituted(arguments []any) string {
	s.t.Helper()
	names := maps.Clone(s.names)
	if len(arguments) > 1 {
		more, _ := arguments[1].(map[string]any)
		maps.Copy(names, more)
	}
	return regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllStringFunc(fmt.Sprint(arguments[0]), func(name string) string {
		if strings.HasPrefix(name, "${!") {
			return "${" + name[3:]
		}
		require.Contains(s.t, names, name[2:len(name)-1])
		return fmt.Sprint(names[name[2:len(name)-1]])
	})
}

func TestCloudFormationTakesNoWildcardForOtherRoles(t *testing.T) {
	s, root := newStack(t, given)
	parameter := s.value(section(t, root, "Parameters", "OtherRoles"))
	assert.Empty(t, dig(t, parameter, "Default"))
	pattern, err := regexp.Compile("^(?:" + fmt.Sprint(dig(t, parameter, "AllowedPattern")) + ")$")
	require.NoError(t, err)
	assert.True(t, pattern.MatchString(""), "none at all")
	for value, taken := range otherRoles {
		assert.Equal(t, taken, pattern.MatchString(value), value)
	}
}
