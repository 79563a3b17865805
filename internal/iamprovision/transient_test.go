package iamprovision

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// transientError reports whether a failure is transient, and its message.
func transientError(t *testing.T, err error) (soon bool, says string) {
	t.Helper()
	var step *identity.StepError
	require.ErrorAs(t, err, &step)
	assert.Equal(t, api.ProvisionFailed, step.Reason)
	assert.LessOrEqual(t, len(step.Message), 1024)
	return step.Transient, step.Message
}

// response is an error response of IAM.
type response struct {
	action, code string
	status       int
	message      string
}

func (w response) settings() awssim.Settings {
	return awssim.Settings{Faults: &[]awssim.Fault{{Action: w.action, Code: w.code, Status: w.status, Message: w.message}}}
}

func TestIsTransient(t *testing.T) {
	name := RoleName("prod", app)
	denied := func(action, resource string) string {
		return "User: arn:aws:sts::123456789012:assumed-role/controller/s is not authorized to perform: iam:" + action + " on resource: " + resource +
			" because no identity-based policy allows the iam:" + action + " action"
	}
	const principal = `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/infra/controller"`
	for title, tc := range map[string]struct {
		response

		soon bool
	}{
		"a role that is not seen by what fills it":     {response{"PutRolePolicy", "NoSuchEntity", http.StatusNotFound, "The role with name " + name + " cannot be found."}, true},
		"a role that is not seen by what attaches":     {response{"AttachRolePolicy", "NoSuchEntity", http.StatusNotFound, "The role with name " + name + " cannot be found."}, true},
		"tags that are not seen by what fills":         {response{"PutRolePolicy", "AccessDenied", http.StatusForbidden, denied("PutRolePolicy", "role "+name)}, true},
		"tags that are not seen by what attaches":      {response{"AttachRolePolicy", "AccessDenied", http.StatusForbidden, denied("AttachRolePolicy", "role "+name)}, true},
		"a principal that is not seen":                 {response{"CreateRole", "MalformedPolicyDocument", http.StatusBadRequest, principal}, true},
		"another role that is not there":               {response{"PutRolePolicy", "NoSuchEntity", http.StatusNotFound, "The role with name " + name + "-2 cannot be found."}, false},
		"a managed policy that does not exist":         {response{"AttachRolePolicy", "NoSuchEntity", http.StatusNotFound, "Policy arn:aws:iam::123456789012:policy/managed does not exist or is not attachable."}, false},
		"a managed policy by the role's name":          {response{"AttachRolePolicy", "NoSuchEntity", http.StatusNotFound, "Policy arn:aws:iam::123456789012:policy/" + name + " does not exist or is not attachable."}, false},
		"a managed policy that AWS keeps":              {response{"AttachRolePolicy", "PolicyNotAttachable", http.StatusBadRequest, "Cannot attach a Service Role Policy to a Customer Role."}, false},
		"a boundary that does not exist":               {response{"CreateRole", "NoSuchEntity", http.StatusNotFound, "Scope ARN: arn:aws:iam::123456789012:policy/boundary does not exist or is not attachable."}, false},
		"permissions to create a role that are denied": {response{"CreateRole", "AccessDenied", http.StatusForbidden, denied("CreateRole", "arn:aws:iam::123456789012:role/x")}, false},
		"permissions to tag what is created":           {response{"CreateRole", "AccessDenied", http.StatusForbidden, denied("TagRole", "arn:aws:iam::123456789012:role/x")}, false},
		"a document that is malformed":                 {response{"PutRolePolicy", "MalformedPolicyDocument", http.StatusBadRequest, "Syntax errors in policy."}, false},
		"a quota of policies":                          {response{"AttachRolePolicy", "LimitExceeded", http.StatusConflict, "Cannot exceed quota for PoliciesPerRole: 10"}, false},
		"a quota of roles":                             {response{"CreateRole", "LimitExceeded", http.StatusConflict, "Cannot exceed quota for RolesPerAccount: 1000"}, false},
		"a policy that is too long":                    {response{"PutRolePolicy", "LimitExceeded", http.StatusConflict, "Maximum policy size of 10240 bytes exceeded for role " + name}, false},
		"credentials that ran out":                     {response{"CreateRole", "ExpiredToken", http.StatusForbidden, "The security token included in the request is expired"}, false},
		"throttling":                                   {response{"PutRolePolicy", "Throttling", http.StatusBadRequest, "Rate exceeded"}, false},
		"a failure of IAM's":                           {response{"PutRolePolicy", "ServiceFailure", http.StatusInternalServerError, "Unable to process request"}, false},
		"what is not an answer":                        {response{"PutRolePolicy", "UnknownError", http.StatusServiceUnavailable, "UnknownError"}, false},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t)
			w.Set(tc.settings())
			_, err := w.provisioner().Ensure(t.Context(), desired(policyA, w.managed), "")
			soon, says := transientError(t, err)
			assert.Equal(t, tc.soon, soon, says)
			if tc.code != "UnknownError" {
				assert.Contains(t, says, tc.code+": "+strings.TrimRight(tc.message, "."), "in IAM's own words")
			}
		})
	}
}

func TestCorrectionsAreTransientLikeCreations(t *testing.T) {
	name := RoleName("prod", app)
	for title, tc := range map[string]struct {
		response

		soon bool
	}{
		"a role that is not seen":       {response{"ListAttachedRolePolicies", "NoSuchEntity", http.StatusNotFound, "The role with name " + name + " cannot be found."}, true},
		"a principal that is not seen":  {response{"UpdateAssumeRolePolicy", "MalformedPolicyDocument", http.StatusBadRequest, `Invalid principal in policy: "AWS":"AROAX"`}, true},
		"a trust that is malformed":     {response{"UpdateAssumeRolePolicy", "MalformedPolicyDocument", http.StatusBadRequest, "Has prohibited field Resource"}, false},
		"a boundary that is not there":  {response{"PutRolePermissionsBoundary", "NoSuchEntity", http.StatusNotFound, "Policy arn:aws:iam::123456789012:policy/boundary does not exist or is not attachable."}, false},
		"a role gone from its boundary": {response{"PutRolePermissionsBoundary", "NoSuchEntity", http.StatusNotFound, "The role with name " + name + " cannot be found."}, true},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t)
			p := w.provisioner()
			role := w.ensure(p, desired(policyA), "")
			_, err := w.admin.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{
				RoleName: &role.ARN.Name, PolicyDocument: new(strings.ReplaceAll(trustOfApp, "team/prod", "x/y")),
			})
			require.NoError(t, err)
			_, err = w.admin.PutRolePermissionsBoundary(t.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: &role.ARN.Name, PermissionsBoundary: &w.other})
			require.NoError(t, err)
			w.grant(w.boundary)
			w.Set(tc.settings())
			if tc.action != "PutRolePermissionsBoundary" { // or it would come first
				_, err = w.admin.PutRolePermissionsBoundary(t.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: &role.ARN.Name, PermissionsBoundary: &w.boundary})
				require.NoError(t, err)
			}
			_, err = p.Ensure(t.Context(), desired(policyA), role.ID)
			soon, says := transientError(t, err)
			assert.Equal(t, tc.soon, soon, says)
		})
	}
}

func TestUserErrorsAreNotTransient(t *testing.T) {
	const nobody = "arn:aws:iam::123456789012:policy/nobody"
	for title, tc := range map[string]struct {
		want   func(*identity.ManagedRole)
		change func(*Options)
		says   []string
	}{
		"a managed policy that does not exist": {want: func(own *identity.ManagedRole) { own.ManagedPolicies = []string{nobody} },
			says: []string{"NoSuchEntity: Policy " + nobody + " does not exist or is not attachable; correct iam.amazonaws.com/managed-policies"}},
		"one that AWS keeps to itself": {want: func(own *identity.ManagedRole) {
			own.ManagedPolicies = []string{"arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy"}
		}, says: []string{"arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy: PolicyNotAttachable: "}},
		"more of them than IAM attaches": {want: func(own *identity.ManagedRole) { own.ManagedPolicies = managedPolicyARNs() },
			says: []string{"PoliciesPerRole: 10; name fewer policies"}},
		"a policy that is too long": {want: func(own *identity.ManagedRole) {
			own.Policy = strings.Replace(policyA, "*", "arn:aws:s3:::"+strings.Repeat("a", 10240), 1)
		},
			says: []string{"Maximum policy size of 10240 bytes exceeded for role team.app-", "shorten iam.amazonaws.com/role-policy"}},
		"a boundary that does not exist": {change: func(o *Options) { o.Boundary = nobody },
			says: []string{"NoSuchEntity: Scope ARN: " + nobody, "this is the controller's --permissions-boundary: its administrator"}},
		"permissions that the controller lacks": {change: func(o *Options) { o.Path = "/elsewhere/" },
			says: []string{"AccessDenied: ", "the controller's own permissions do not include this"}},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t)
			for _, arn := range managedPolicyARNs() {
				_, err := w.AddManagedPolicy(home, "/", strings.TrimPrefix(arn, "arn:aws:iam::"+home+":policy/"), policyA)
				require.NoError(t, err)
			}
			want := desired(policyA)
			if tc.want != nil {
				tc.want(want.Managed)
			}
			p := w.provisioner(func(o *Options) {
				if tc.change != nil {
					tc.change(o)
				}
				w.grant(o.Boundary)
			})
			_, err := p.Ensure(t.Context(), want, "")
			soon, says := transientError(t, err)
			assert.False(t, soon, says)
			for _, part := range tc.says {
				assert.Contains(t, says, part)
			}
		})
	}
}

// managedPolicyARNs returns the ARNs of one more managed policy than a role can
// have.
func managedPolicyARNs() (arns []string) {
	for i := range 11 {
		arns = append(arns, fmt.Sprintf("arn:aws:iam::%s:policy/many-%d", home, i))
	}
	return arns
}

func TestInvalidPrincipalIsNamed(t *testing.T) {
	w := newWorld(t)
	_, err := w.provisioner(func(o *Options) {
		o.Principal = func(context.Context) (string, error) { return "arn:aws:iam::123456789012:role/nobody", nil }
	}).Ensure(t.Context(), desired(policyA), "")
	soon, says := transientError(t, err)
	assert.True(t, soon, "it may have been made a moment ago")
	assert.Contains(t, says, `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/nobody"; this is the controller's own role`)
}

func TestMissingNewRoleIsTransient(t *testing.T) {
	w := newWorld(t)
	w.Set(awssim.Settings{Propagation: new(awssim.Duration(8 * time.Second))})
	p := w.provisioner()
	for _, says := range []string{"iam:PutRolePolicy", "cannot be seen yet"} {
		_, err := p.Ensure(t.Context(), desired(policyA), "")
		soon, got := transientError(t, err)
		assert.True(t, soon, got)
		assert.Contains(t, got, says)
	}
}

func TestCredentialErrorsAreNotTransient(t *testing.T) {
	name := RoleName("prod", app)
	denied := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}}
	own := &smithy.OperationError{ServiceID: "IAM", OperationName: "PutRolePolicy", Err: &awserr.CredentialsError{Err: denied}}
	assert.False(t, isTransient(name, own))
	assert.True(t, isTransient(name, &smithy.OperationError{ServiceID: "IAM", OperationName: "PutRolePolicy", Err: denied.Err}))
	assert.False(t, isTransient(name, context.DeadlineExceeded))
}

func TestCredentialErrorsAreNotRoleNotOwned(t *testing.T) {
	w := newWorld(t)
	p := w.provisioner()
	w.ensure(p, desired(policyA), "")
	creds, err := w.RoleCredentials(home, "controller", "test", time.Hour)
	require.NoError(t, err)
	cfg, first := w.config(creds), true
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		if first {
			first = false
			return creds, nil
		}
		return aws.Credentials{}, &awserr.CredentialsError{Source: "nowhere", Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"}}
	})
	p.iam = iam.NewFromConfig(cfg)
	_, err = p.Ensure(t.Context(), desired(policyA), "")
	soon, says := transientError(t, err)
	assert.False(t, soon)
	assert.Contains(t, says, "the controller itself has no AWS credentials: nowhere: AccessDenied: no")
}
