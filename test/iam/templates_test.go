package iam

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/trust"
)

const (
	controllerARN = "arn:aws:iam::" + home + ":role/" + controllerName
	boundaryARN   = "arn:aws:iam::" + home + ":policy/" + boundaryName
)

// made is what a template makes.
type made struct {
	controllerName, boundaryName   string
	controller, boundary, trusting string
	// association is the Pod Identity association, nil for none.
	association map[string]any
}

// template makes something of parameters, strings or lists of them, that are named as in CloudFormation.
type template func(t *testing.T, parameters map[string]any) made

// given are the parameters that the documents in JSON stand for.
var given = map[string]any{"ClusterName": clusterName, "Bucket": "example-bucket"}

// besides adds to them.
func besides(more map[string]any) map[string]any {
	all := maps.Clone(given)
	maps.Copy(all, more)
	return all
}

func TestTheTemplatesSayWhatTheDocumentsSay(t *testing.T) {
	for name, template := range map[string]template{"CloudFormation": fromCloudFormation, "Terraform": fromTerraform} {
		t.Run(name, func(t *testing.T) {
			have := template(t, given)
			assert.Equal(t, controllerName, have.controllerName)
			assert.Equal(t, boundaryName, have.boundaryName)
			assertSame(t, example(t, "iam", "controller-policy.json"), have.controller)
			assertSame(t, example(t, "iam", "permissions-boundary.json"), have.boundary)
			assert.JSONEq(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},
				"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"aws:SourceAccount":"`+home+`"}}}]}`, have.trusting)
			assert.Nil(t, have.association)
			require.NoError(t, newWorld(t, have.controller).lifecycle())
		})
		t.Run(name+" with all", func(t *testing.T) { assertParameters(t, template) })
		t.Run(name+" without a bucket", func(t *testing.T) {
			boundary := template(t, map[string]any{"ClusterName": clusterName}).boundary
			assert.NotContains(t, boundary, "s3:::")
			assert.Contains(t, boundary, "OwnByName")
		})
	}
}

// assertParameters shows what parameters without which nothing is made bring about.
func assertParameters(t *testing.T, template template) {
	t.Helper()
	optional := documents(t, "optional-statements.json").Statement
	have := template(t, besides(map[string]any{
		"OtherRoles": texts(optional[0]["Resource"]), "InstanceProfiles": texts([]any{optional[1]["Resource"]}), "RoleTagKeys": []string{"cost", "unit"}, "ReadBoundary": "true",
		"EksClusterName": "eks", "Namespace": "iam", "ServiceAccount": "controller", "TrustedService": "ec2.amazonaws.com",
		"ControllerRoleName": "kube-aws-iam-controller", "BoundaryName": "boundary",
	}))
	assert.Equal(t, "kube-aws-iam-controller", have.controllerName)
	assert.Equal(t, "boundary", have.boundaryName)
	want := strings.NewReplacer(`"retained"`, `"retained","cost","unit"`, controllerARN, "arn:aws:iam::"+home+":role/kube-aws-iam-controller",
		boundaryARN, "arn:aws:iam::"+home+":policy/boundary").Replace(offered(t).text(t))
	assertSame(t, want, have.controller)
	assert.NotContains(t, have.trusting, "Condition", "EC2 does not say for which account it acts")
	assert.Equal(t, map[string]any{
		"ClusterName": "eks", "Namespace": "iam", "ServiceAccount": "controller", "DisableSessionTags": "true",
		"RoleArn": "arn:aws:iam::" + home + ":role/kube-aws-iam-controller",
	}, have.association)
}

// offered is what the templates have parameters for.
func offered(t *testing.T) policy {
	t.Helper()
	all := widened(t)
	all.Statement = slices.DeleteFunc(all.Statement, func(s statement) bool { return s["Sid"] == "ValidatePolicies" })
	return all
}

func assertSame(t *testing.T, want, have string) {
	t.Helper()
	assert.True(t, trust.Equivalent(identity.IdentityPolicy, have, want), "it is\n%s", have)
}

// Quotas, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: white space is not counted.
func TestThePoliciesFitIntoTheirQuotas(t *testing.T) {
	space := regexp.MustCompile(`\s`)
	for name, template := range map[string]template{"CloudFormation": fromCloudFormation, "Terraform": fromTerraform} {
		have := template(t, map[string]any{
			"ClusterName": strings.Repeat("c", 100), "Bucket": strings.Repeat("b", 63), "OtherRoles": slices.Repeat([]string{"arn:aws:iam::999999999999:role/" + strings.Repeat("r", 64)}, 20),
		})
		assert.LessOrEqual(t, len(space.ReplaceAllString(have.boundary, "")), 6144, name)
		assert.LessOrEqual(t, len(space.ReplaceAllString(have.controller, "")), 10240, name)
	}
}

// otherRoles are values of that parameter, and whether they are taken.
var otherRoles = map[string]bool{
	"arn:aws:iam::999999999999:role/app":                   true,
	"arn:aws:iam::999999999999:role/a/b/app":               true,
	"arn:aws:iam::999999999999:role/kubernetes/*":          true,
	"arn:aws-us-gov:iam::999999999999:role/kubernetes/a/*": true,
	"arn:aws:iam::999999999999:role/*":                     false,
	"arn:aws:iam::999999999999:role/a*":                    false,
	"arn:aws:iam::999999999999:role/kubernetes/a*":         false,
	"arn:aws:iam::999999999999:role/*/app":                 false,
	"arn:aws:iam::999999999999:role/ap?":                   false,
	"arn:aws:iam::999999999999:*":                          false,
	"arn:aws:iam::*:role/app":                              false,
	"arn:aws:iam::999999999999:user/app":                   false,
	"arn:aws:iam::999999999999:role/${aws:username}":       false,
	"*": false,
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

// texts are the items of a list of strings.
func texts(list any) (all []string) {
	items, _ := list.([]any)
	for _, item := range items {
		all = append(all, fmt.Sprint(item))
	}
	return all
}
