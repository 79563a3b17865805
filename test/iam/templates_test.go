package iam

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"go.yaml.in/yaml/v3"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

const (
	controllerARN = "arn:aws:iam::" + home + ":role/kube-aws-iam-controller"
	boundaryARN   = "arn:aws:iam::" + home + ":policy/kube-aws-iam-controller-boundary"
)

// assertTheSame compares what a template makes with the documents in JSON, and shows that AWS takes it.
func assertTheSame(t *testing.T, controller, boundary, trusting string) {
	t.Helper()
	assert.True(t, trust.Equivalent(identity.IdentityPolicy, controller, example(t, "iam", "controller-policy.json")), "the controller's policy is\n%s", controller)
	assert.True(t, trust.Equivalent(identity.IdentityPolicy, boundary, example(t, "iam", "permissions-boundary.json")), "the boundary is\n%s", boundary)
	assert.JSONEq(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`, trusting)
	require.NoError(t, newWorld(t, controller).life())
}

func TestTheCloudFormationTemplateSaysTheSame(t *testing.T) {
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(example(t, "iam", "cloudformation.yaml")), &document))
	stack := stack{t: t, names: map[string]any{
		"AWS::Partition": "aws", "AWS::AccountId": home, "Boundary": boundaryARN, "Controller.Arn": controllerARN,
	}}
	root := stack.value(document.Content[0])
	parameters, is := dig(t, root, "Parameters").(map[string]any)
	require.True(t, is)
	for name, parameter := range parameters {
		stack.names[name] = dig(t, parameter, "Default")
		if dig(t, parameter, "Type") == "CommaDelimitedList" {
			stack.names[name] = strings.Split(fmt.Sprint(stack.names[name]), ",")
		}
	}
	resources := dig(t, stack.value(document.Content[0]), "Resources")
	role := dig(t, resources, "Controller", "Properties")
	assert.Equal(t, "kube-aws-iam-controller", dig(t, role, "RoleName"))
	assert.Equal(t, "kube-aws-iam-controller-boundary", dig(t, resources, "Boundary", "Properties", "ManagedPolicyName"))
	policies, isList := dig(t, role, "Policies").([]any)
	require.True(t, isList)
	require.Len(t, policies, 1)
	assertTheSame(t, text(t, dig(t, policies[0], "PolicyDocument")), text(t, dig(t, resources, "Boundary", "Properties", "PolicyDocument")),
		text(t, dig(t, role, "AssumeRolePolicyDocument")))
}

// stack resolves the functions that the template uses.
type stack struct {
	t     *testing.T
	names map[string]any
}

func (s stack) value(node *yaml.Node) any {
	s.t.Helper()
	switch node.Tag {
	case "!Ref", "!GetAtt":
		return s.names[node.Value]
	case "!Sub":
		value := node.Value
		for name, is := range s.names {
			value = strings.ReplaceAll(value, "${"+name+"}", fmt.Sprint(is))
		}
		require.NotContains(s.t, value, "${")
		return value
	}
	switch node.Kind {
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			all[node.Content[i].Value] = s.value(node.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		all := []any{}
		for _, item := range node.Content {
			all = append(all, s.value(item))
		}
		return all
	default:
		require.False(s.t, strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!"), "the function %s is not known here", node.Tag)
		return node.Value
	}
}

func dig(t *testing.T, value any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		object, is := value.(map[string]any)
		require.True(t, is, "%s is in no object", key)
		require.Contains(t, object, key)
		value = object[key]
	}
	return value
}

func text(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

func TestTheTerraformConfigurationSaysTheSame(t *testing.T) {
	file, problems := hclsyntax.ParseConfig([]byte(example(t, "iam", "terraform", "main.tf")), "main.tf", hcl.InitialPos)
	require.False(t, problems.HasErrors(), problems.Error())
	body, is := file.Body.(*hclsyntax.Body)
	require.True(t, is)
	object := func(keys map[string]string) cty.Value {
		values := map[string]cty.Value{}
		for key, value := range keys {
			values[key] = cty.StringVal(value)
		}
		return cty.ObjectVal(values)
	}
	m := module{t: t, body: body, context: &hcl.EvalContext{
		Functions: map[string]function.Function{"jsonencode": stdlib.JSONEncodeFunc},
		Variables: map[string]cty.Value{
			"data": cty.ObjectVal(map[string]cty.Value{
				"aws_partition":       cty.ObjectVal(map[string]cty.Value{"current": object(map[string]string{"partition": "aws"})}),
				"aws_caller_identity": cty.ObjectVal(map[string]cty.Value{"current": object(map[string]string{"account_id": home})}),
			}),
			"aws_iam_policy": cty.ObjectVal(map[string]cty.Value{"boundary": object(map[string]string{"arn": boundaryARN})}),
			"aws_iam_role":   cty.ObjectVal(map[string]cty.Value{"controller": object(map[string]string{"arn": controllerARN, "name": "kube-aws-iam-controller"})}),
		},
	}}
	variables := map[string]cty.Value{}
	for _, block := range body.Blocks {
		if block.Type == "variable" {
			variables[block.Labels[0]] = m.evaluated(block.Body.Attributes["default"].Expr)
		}
	}
	m.context.Variables["var"] = cty.ObjectVal(variables)
	locals := map[string]cty.Value{}
	m.context.Variables["local"] = cty.ObjectVal(locals)
	for _, name := range []string{"account", "made"} { // the second is said by the first
		locals[name] = m.evaluated(m.block("locals").Attributes[name].Expr)
		m.context.Variables["local"] = cty.ObjectVal(locals)
	}
	attribute := func(name string, labels ...string) string {
		return m.evaluated(m.block("resource", labels...).Attributes[name].Expr).AsString()
	}
	assert.Equal(t, "kube-aws-iam-controller", attribute("name", "aws_iam_role", "controller"))
	assert.Equal(t, "kube-aws-iam-controller-boundary", attribute("name", "aws_iam_policy", "boundary"))
	assertTheSame(t, attribute("policy", "aws_iam_role_policy", "controller"), attribute("policy", "aws_iam_policy", "boundary"),
		attribute("assume_role_policy", "aws_iam_role", "controller"))
}

type module struct {
	t       *testing.T
	body    *hclsyntax.Body
	context *hcl.EvalContext
}

func (m module) block(kind string, labels ...string) *hclsyntax.Body {
	m.t.Helper()
	for _, block := range m.body.Blocks {
		if block.Type == kind && strings.Join(block.Labels, ".") == strings.Join(labels, ".") {
			return block.Body
		}
	}
	require.Fail(m.t, "there is no such block", "%s %v", kind, labels)
	return nil
}

func (m module) evaluated(expression hcl.Expression) cty.Value {
	m.t.Helper()
	value, problems := expression.Value(m.context)
	require.False(m.t, problems.HasErrors(), problems.Error())
	return value
}
