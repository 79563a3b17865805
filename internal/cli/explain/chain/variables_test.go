package chain

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
)

// found returns the finding of a link.
func found(f *Facts, check string) finding.Finding {
	for _, each := range Examine(f) {
		if each.Check == check {
			return each
		}
	}
	return finding.Finding{}
}

func TestVariablesAreExplained(t *testing.T) {
	const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:sqs:$(region):$(account):$(cluster)"}}`
	hidden := func(t *testing.T, f *Facts) {
		t.Helper()
		f.Principal, f.Controllers.Value[0].Config.ControllerRoleARN = "", ""
	}
	for name, tc := range map[string]struct {
		annotations map[string]string
		change      func(*testing.T, *Facts)
		check       string
		state       finding.State
		says        string
	}{
		"a role": {map[string]string{api.RoleAnnotation: " $(namespace)-app"}, nil, "serviceaccount", finding.OK,
			"app asks for the role demo-app, written as $(namespace)-app"},
		"what they stand for": {map[string]string{api.RoleAnnotation: "$(serviceaccount)/$(namespace)"}, nil, "annotations", finding.OK,
			"are understood, with $(namespace) = demo, $(serviceaccount) = app"},
		"in a policy": {map[string]string{api.RolePolicyAnnotation: policy, api.RegionAnnotation: "eu-west-1"}, nil, "annotations", finding.OK,
			"are understood, with $(cluster) = prod, $(account) = 123456789012, $(region) = eu-west-1"},
		"no Region": {map[string]string{api.RolePolicyAnnotation: policy}, nil, "annotations", finding.Broken,
			"iam.amazonaws.com/role-policy: $(region) has no value, because the ServiceAccount has no iam.amazonaws.com/region"},
		"unknown": {map[string]string{api.RoleAnnotation: "$(namespce)"}, nil, "annotations", finding.Broken,
			`iam.amazonaws.com/role: the variable "$(namespce)" is not known: write $(namespace), or`},
		"unknown, and what it was written as": {map[string]string{api.RoleAnnotation: "$(namespce)"}, nil, "serviceaccount", finding.OK,
			"app asks for the role $(namespce)"},
		"an account that nobody tells": {map[string]string{api.RoleAnnotation: "arn:aws:iam::$(account):role/app"}, hidden, "annotations", finding.Unknown,
			"what is asked for: iam.amazonaws.com/role: the value of $(account) is not known: the account of the controller's role is not told by the cluster"},
		"the account of the role that was made": {map[string]string{api.RolePolicyAnnotation: policy, api.RegionAnnotation: "eu-west-1", api.RoleARNAnnotation: appARN}, hidden, "annotations", finding.OK,
			"are understood, with $(cluster) = prod, $(account) = 123456789012, $(region) = eu-west-1"},
		"settings that are not known": {map[string]string{api.RoleAnnotation: "$(cluster)"}, func(t *testing.T, f *Facts) {
			t.Helper()
			f.Controllers.Value[0].ConfigError = errors.New("no")
		}, "annotations", finding.Unknown, "what is asked for: iam.amazonaws.com/role: the value of $(cluster) is not known: the configuration of the controller is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			f := soundIdentity(t)
			f.Account.Value.Annotations, f.IAM.Unknown = tc.annotations, "it was not read"
			if tc.change != nil {
				tc.change(t, f)
			}
			got := found(f, tc.check)
			assert.Equal(t, tc.state, got.State, got.Message)
			assert.Contains(t, got.Message, tc.says)
		})
	}
}

func TestCredentialsForARoleWithVariablesAreThoseAskedFor(t *testing.T) {
	f := soundIdentity(t)
	f.Account.Value.Annotations = map[string]string{api.RoleAnnotation: "arn:$(partition):iam::$(account):role/app"}
	f.issue()
	f.IAM.Unknown = "it was not read"
	assert.Nil(t, FirstBroken(Examine(f)))
	assert.Equal(t, finding.OK, found(f, "secret").State)

	f.Controllers.Value = []*installation.Controller{controller(t, "--base-role-arn=arn:aws:iam::999999999999:role/")}
	assert.Contains(t, found(f, "secret").Message, "were issued for an earlier request")
}
