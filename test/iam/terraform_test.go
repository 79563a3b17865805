package iam

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// variables are the names of the parameters in Terraform.
var variables = map[string]string{
	"ClusterName": "cluster_name", "ControllerRoleName": "controller_role_name", "BoundaryName": "boundary_name", "TrustedService": "trusted_service",
	"EksClusterName": "eks_cluster_name", "Namespace": "namespace", "ServiceAccount": "service_account", "Bucket": "buckets",
	"RoleTagKeys": "role_tag_keys", "OtherRoles": "other_roles", "InstanceProfiles": "instance_profiles", "ReadBoundary": "read_boundary",
}

// allTrue is Terraform's function of that name.
var allTrue = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(arguments []cty.Value, _ cty.Type) (cty.Value, error) {
		for _, value := range arguments[0].AsValueSlice() {
			if value.False() {
				return cty.False, nil
			}
		}
		return cty.True, nil
	},
})

// module evaluates a configuration.
type module struct {
	t       *testing.T
	body    *hclsyntax.Body
	context *hcl.EvalContext
	known   map[string]cty.Value // variables
}

func fromTerraform(t *testing.T, parameters map[string]any) made {
	t.Helper()
	m := newModule(t, parameters)
	attribute := func(name string, labels ...string) string {
		return m.evaluated(m.block("resource", labels...).Attributes[name].Expr).AsString()
	}
	have := made{controllerName: attribute("name", "aws_iam_role", "controller"), boundaryName: attribute("name", "aws_iam_policy", "boundary")}
	m.context.Variables["aws_iam_policy"] = cty.ObjectVal(map[string]cty.Value{"boundary": object("arn", "arn:aws:iam::"+home+":policy/"+have.boundaryName)})
	m.context.Variables["aws_iam_role"] = cty.ObjectVal(map[string]cty.Value{
		"controller": object("arn", "arn:aws:iam::"+home+":role/"+have.controllerName, "name", have.controllerName),
	})
	have.controller, have.boundary = attribute("policy", "aws_iam_role_policy", "controller"), attribute("policy", "aws_iam_policy", "boundary")
	have.trusting = attribute("assume_role_policy", "aws_iam_role", "controller")
	association := m.block("resource", "aws_eks_pod_identity_association", "controller").Attributes
	if m.evaluated(association["count"].Expr).Equals(cty.NumberIntVal(1)).True() {
		have.association = map[string]any{}
		for name, label := range map[string]string{
			"ClusterName": "cluster_name", "Namespace": "namespace", "ServiceAccount": "service_account", "RoleArn": "role_arn", "DisableSessionTags": "disable_session_tags",
		} {
			text, err := stdlib.JSONEncode(m.evaluated(association[label].Expr))
			require.NoError(t, err)
			have.association[name] = strings.Trim(text.AsString(), `"`)
		}
	}
	return have
}

// newModule is the module with variables, as far as they are not left to their defaults.
func newModule(t *testing.T, parameters map[string]any) module {
	t.Helper()
	file, problems := hclsyntax.ParseConfig([]byte(example(t, "iam", "terraform", "main.tf")), "main.tf", hcl.InitialPos)
	require.False(t, problems.HasErrors(), problems.Error())
	body, is := file.Body.(*hclsyntax.Body)
	require.True(t, is)
	m := module{t: t, body: body, known: map[string]cty.Value{}, context: &hcl.EvalContext{
		Functions: map[string]function.Function{
			"jsonencode": stdlib.JSONEncodeFunc, "length": stdlib.LengthFunc, "concat": stdlib.ConcatFunc, "merge": stdlib.MergeFunc,
			"regex": stdlib.RegexFunc, "can": tryfunc.CanFunc, "alltrue": allTrue,
		},
		Variables: map[string]cty.Value{"data": cty.ObjectVal(map[string]cty.Value{
			"aws_partition":       cty.ObjectVal(map[string]cty.Value{"current": object("partition", "aws")}),
			"aws_caller_identity": cty.ObjectVal(map[string]cty.Value{"current": object("account_id", home)}),
		})},
	}}
	for name, label := range variables {
		m.known[label] = m.variable(label, parameters[name])
	}
	m.context.Variables["var"] = cty.ObjectVal(m.known)
	locals := map[string]cty.Value{}
	for _, name := range []string{"partition", "account_id", "made", "owner"} { // the third is said by those before
		locals[name] = m.evaluated(m.block("locals").Attributes[name].Expr)
		m.context.Variables["local"] = cty.ObjectVal(locals)
	}
	return m
}

// variable is the value of a variable, its default if none is given.
func (m module) variable(label string, given any) cty.Value {
	m.t.Helper()
	attributes := m.block("variable", label).Attributes
	texts, _ := given.([]string)
	if name, is := given.(string); is {
		texts = []string{name}
	}
	call, is := attributes["type"].Expr.(*hclsyntax.FunctionCallExpr) // list(string)
	switch isList := is && call.Name == "list"; {
	case isList && len(texts) == 0:
		return cty.ListValEmpty(cty.String)
	case isList:
		var all []cty.Value
		for _, text := range texts {
			all = append(all, cty.StringVal(text))
		}
		return cty.ListVal(all)
	case len(texts) == 1 && hcl.ExprAsKeyword(attributes["type"].Expr) == "bool":
		return cty.BoolVal(texts[0] == "true")
	case len(texts) == 1:
		return cty.StringVal(texts[0])
	default:
		return m.evaluated(attributes["default"].Expr)
	}
}

func object(pairs ...string) cty.Value {
	values := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = cty.StringVal(pairs[i+1])
	}
	return cty.ObjectVal(values)
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

func TestTerraformTakesNoWildcardForOtherRoles(t *testing.T) {
	for value, taken := range otherRoles {
		m := newModule(t, besides(map[string]any{"OtherRoles": []string{value}}))
		validation := m.block("variable", "other_roles").Blocks[0]
		require.Equal(t, "validation", validation.Type)
		assert.Equal(t, taken, m.evaluated(validation.Body.Attributes["condition"].Expr).True(), value)
	}
	m := newModule(t, given)
	assert.Zero(t, m.evaluated(m.block("variable", "other_roles").Attributes["default"].Expr).LengthInt())
}
