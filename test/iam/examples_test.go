package iam

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"kube-aws-iam-controller/internal/identity"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

// grant is as much of a policy as tells which actions it allows.
type grant struct {
	Statement []struct {
		Action oneOrMore `json:"Action"`
	} `json:"Statement"`
}

// oneOrMore is a string or a list of them.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(string(text), `"`) {
		*o = make(oneOrMore, 1)
		return json.Unmarshal(text, &(*o)[0])
	}
	return json.Unmarshal(text, (*[]string)(o))
}

func actions(t *testing.T, policy string) (all []string) {
	t.Helper()
	var g grant
	require.NoError(t, json.Unmarshal([]byte(policy), &g))
	for _, s := range g.Statement {
		all = append(all, s.Action...)
	}
	require.NotEmpty(t, all)
	return all
}

// uses are what the examples are for: requests that have to be allowed under the boundary. Managed policies of AWS stand
// for some of their actions.
var uses = map[string][]asked{
	"serviceaccount-with-policy.yaml": {{"s3:GetObject", bucket + "/" + demoData, nil}},
	"serviceaccount-s3.yaml": {
		{"s3:ListBucket", bucket, map[string]string{"s3:prefix": clusterName + "/demo/"}},
		{"s3:GetObject", bucket + "/" + demoData, nil},
		{"s3:PutObject", bucket + "/" + demoData, nil},
		{"s3:DeleteObject", bucket + "/" + demoData, nil},
		{"s3:AbortMultipartUpload", bucket + "/" + demoData, nil},
	},
	"serviceaccount-sqs.yaml": slices.Concat(
		each("arn:aws:sqs"+inAccount+"orders", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
		each("arn:aws:sqs"+inAccount+"orders-failed", "sqs:SendMessage", "sqs:GetQueueUrl"),
	),
	"serviceaccount-dynamodb.yaml": slices.Concat(
		each("arn:aws:dynamodb"+inAccount+"table/carts", "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
			"dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"),
		each("arn:aws:dynamodb"+inAccount+"table/carts/index/by-user", "dynamodb:Query"),
	),
	"serviceaccount-route53.yaml": {
		{"route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z0123456789EXAMPLE", nil},
		{"route53:ListHostedZones", "*", nil},
		{"route53:ListResourceRecordSets", "arn:aws:route53:::hostedzone/Z0123456789EXAMPLE", nil},
		{"route53:ListTagsForResources", "*", nil},
	},
	"serviceaccount-managed-policies.yaml": append(each("arn:aws:dynamodb"+inAccount+"table/carts", "dynamodb:GetItem", "dynamodb:Query"), asked{"s3:GetObject", bucket + "/" + demoData, nil}),
	"serviceaccount-variables.yaml": append(each("arn:aws:sqs"+inAccount+"orders", "sqs:SendMessage"),
		asked{"s3:PutObject", bucket + "/" + clusterName + "/demo/uploader/a", nil}),
	"serviceaccount.yaml":                nil, // an existing role
	"serviceaccount-session-policy.yaml": nil, // an existing role, too
}

const demoData = clusterName + "/demo/a"

// each asks for actions on something of the namespace demo.
func each(resource string, actions ...string) (all []asked) {
	for _, action := range actions {
		all = append(all, asked{action, resource, taggedFor(clusterName, "demo")})
	}
	return all
}

func TestTheExamplesWorkUnderTheBoundary(t *testing.T) {
	root, err := cluster.Root()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(root, "examples", "serviceaccount*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, len(uses))
	w := newWorld(t, shipped(t).text(t))
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			require.Contains(t, uses, name)
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			var account corev1.ServiceAccount
			require.NoError(t, yaml.UnmarshalStrict(content, &account))
			policy, has := account.Annotations["iam.amazonaws.com/role-policy"]
			if managed, is := account.Annotations["iam.amazonaws.com/managed-policies"]; is {
				_, err = identity.ParseManagedPolicies(managed)
				require.NoError(t, err)
			}
			if !has {
				policy = everything
			} else {
				policy, err = variablesOf(&account).Expand(policy)
				require.NoError(t, err)
				_, err = identity.ParsePolicy(policy)
				require.NoError(t, err)
				assertAllUsed(t, actions(t, policy), uses[name])
			}
			key := w.made(account.Namespace, account.Name, policy)
			for _, request := range uses[name] {
				assert.True(t, w.may(key, request), "%s on %s", request.action, request.resource)
			}
		})
	}
}

// variablesOf are those in the annotations of a ServiceAccount.
func variablesOf(account *corev1.ServiceAccount) identity.Variables {
	return identity.Variables{
		Namespace: account.Namespace, ServiceAccount: account.Name, Cluster: clusterName, Region: account.Annotations["iam.amazonaws.com/region"],
		Base: func() (identity.BaseRole, error) { return identity.BaseRole{Partition: "aws", Account: home}, nil },
	}
}

// assertAllUsed shows that no action of a policy is left out.
func assertAllUsed(t *testing.T, actions []string, requests []asked) {
	t.Helper()
	for _, action := range actions {
		assert.True(t, slices.ContainsFunc(requests, func(r asked) bool { return r.action == action }), "%s is tried", action)
	}
}
