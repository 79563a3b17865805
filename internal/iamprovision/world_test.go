package iamprovision

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

const (
	home    = "123456789012"
	policyA = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	policyB = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}`
	ns      = "team"
	name    = "app"
)

var app = identity.Key{Source: identity.ServiceAccount, Namespace: ns, Name: name}

// world is simulated AWS with the role of a controller, a permissions boundary, and
// two managed policies.
type world struct {
	*awssim.Server

	t              *testing.T
	controller     string
	boundary       string
	managed, other string
	admin          *iam.Client
	late           time.Duration

	// carries and carriesErr are the results of TransitiveTags, asked its arguments.
	carries    string
	carriesErr error
	asked      []identity.Desired
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, func(*awssim.Options) {})
}

// newWorldWith returns a world with options for simulated AWS.
func newWorldWith(t *testing.T, change func(*awssim.Options)) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	options := awssim.Options{Now: func() time.Time { return time.Now().Add(w.late) }, PageSize: 1}
	change(&options)
	w.Server, err = awssim.Start(t.Context(), awssim.New(options))
	require.NoError(t, err)
	t.Cleanup(w.Close)
	for policy, arn := range map[string]*string{"boundary": &w.boundary, "managed": &w.managed, "other": &w.other} {
		*arn, err = w.AddManagedPolicy(home, "/", policy, policyA)
		require.NoError(t, err)
	}
	w.controller, err = w.AddRole(awssim.RoleSpec{
		Account: home, Path: "/infra/", Name: "controller", Policies: map[string]string{"prod": w.shipped(w.boundary, "prod")},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	require.NoError(t, err)
	_, err = w.AddUser(home, "somebody", true)
	require.NoError(t, err)
	creds, err := w.UserCredentials(home, "somebody")
	require.NoError(t, err)
	w.admin = iam.NewFromConfig(w.config(creds))
	return w
}

func (w *world) config(creds aws.Credentials) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: new(w.URL()), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}
}

// provisioner returns a Provisioner of a cluster with a boundary, with changed
// options.
func (w *world) provisioner(change ...func(*Options)) *Provisioner {
	w.t.Helper()
	creds, err := w.RoleCredentials(home, "controller", "test", time.Hour)
	require.NoError(w.t, err)
	options := Options{
		ClusterName: "prod", Boundary: w.boundary, QPS: 10_000, Tags: map[string]string{"cost": "1"},
		Principal: func(context.Context) (string, error) { return w.controller, nil },
		Account: func(context.Context) (identity.BaseRole, error) {
			return identity.BaseRole{Partition: "aws", Account: home}, nil
		},
		SessionName: func(namespace, name string) string { return namespace + "." + name },
		TransitiveTags: func(_ context.Context, want identity.Desired) (string, error) {
			w.asked = append(w.asked, want)
			return w.carries, w.carriesErr
		},
	}
	for _, c := range change {
		c(&options)
	}
	if options.ClusterName != "prod" && options.ClusterName != "" {
		policy := w.shipped(w.boundary, options.ClusterName)
		if options.Path != "" {
			policy = strings.ReplaceAll(policy, DefaultPath(options.ClusterName), options.Path)
		}
		w.put(options.ClusterName, policy)
	}
	return New(w.config(creds), options)
}

// shipped is the shipped policy for the controller of this world, with a cluster, a
// boundary, the tags that it sets on roles, and instance profiles. Tests run with
// no other permissions, except that a controller without a boundary needs more.
func (w *world) shipped(boundary, cluster string) string {
	w.t.Helper()
	const account = "arn:aws:iam::" + home
	if boundary == "" {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:*","Resource":"` + account + `:role/kube-aws-iam-controller/*"}}`
	}
	text, err := os.ReadFile("../../examples/iam/controller-policy.json")
	require.NoError(w.t, err)
	return strings.NewReplacer(
		account+":role/kube-aws-iam-controller-demo-cluster", account+":role/infra/controller",
		account+":policy/kube-aws-iam-controller-boundary-demo-cluster", boundary,
		"demo-cluster", cluster, `"retained"`, `"retained", "cost"`,
		`"Statement": [`, `"Statement": [{"Effect":"Allow","Action":"iam:RemoveRoleFromInstanceProfile","Resource":"`+account+`:instance-profile/kube-aws-iam-controller/*"},`,
	).Replace(string(text))
}

// grant gives the controller the shipped policy with another boundary.
func (w *world) grant(boundary string) {
	w.t.Helper()
	w.put("prod", w.shipped(boundary, "prod"))
}

// put sets a policy of the controller.
func (w *world) put(name, policy string) {
	w.t.Helper()
	_, err := w.admin.PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: new("controller"), PolicyName: &name, PolicyDocument: &policy})
	require.NoError(w.t, err)
}

// desired requests a role with an inline policy and managed policies.
func desired(policy string, managed ...string) identity.Desired {
	return identity.Desired{
		Key: app, UID: "u1", ExternalID: "team/prod", SessionDuration: time.Hour,
		Managed: &identity.ManagedRole{Policy: policy, ManagedPolicies: managed},
	}
}

// ensure calls Ensure and requires success.
func (w *world) ensure(p *Provisioner, want identity.Desired, id string) identity.Role {
	w.t.Helper()
	role, err := p.Ensure(w.t.Context(), want, id)
	require.NoError(w.t, err)
	return role
}

// calls returns the actions since the previous call, with reads in lower case.
func (w *world) calls(seen *int) []string {
	var actions []string
	all := w.Calls()
	for _, call := range all[*seen:] {
		actions = append(actions, call.Action)
	}
	*seen = len(all)
	return actions
}

// roleState is the state of a role in simulated IAM.
type roleState struct {
	path, trust, boundary string
	session               int32
	tags                  map[string]string
	inline                map[string]string
	attached              []string
}

func (w *world) state(role string) roleState {
	w.t.Helper()
	ctx := w.t.Context()
	out, err := w.admin.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	require.NoError(w.t, err)
	r := out.Role
	l := roleState{path: *r.Path, trust: w.decoded(r.AssumeRolePolicyDocument), session: *r.MaxSessionDuration, tags: toMap(r.Tags), inline: map[string]string{}}
	if r.PermissionsBoundary != nil {
		l.boundary = *r.PermissionsBoundary.PermissionsBoundaryArn
	}
	policies := iam.NewListRolePoliciesPaginator(w.admin, &iam.ListRolePoliciesInput{RoleName: &role})
	for policies.HasMorePages() {
		page, err := policies.NextPage(ctx)
		require.NoError(w.t, err)
		for _, policy := range page.PolicyNames {
			got, err := w.admin.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &policy})
			require.NoError(w.t, err)
			l.inline[policy] = w.decoded(got.PolicyDocument)
		}
	}
	attached := iam.NewListAttachedRolePoliciesPaginator(w.admin, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		require.NoError(w.t, err)
		for _, policy := range page.AttachedPolicies {
			l.attached = append(l.attached, *policy.PolicyArn)
		}
	}
	slices.Sort(l.attached)
	return l
}

func (w *world) decoded(text *string) string {
	w.t.Helper()
	plain, err := url.PathUnescape(*text)
	require.NoError(w.t, err)
	return plain
}

func (w *world) missing(role string) {
	w.t.Helper()
	_, err := w.admin.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: &role})
	var missing *types.NoSuchEntityException
	require.ErrorAs(w.t, err, &missing)
}

// requireError requires an error with the given reason and text.
func requireError(t *testing.T, err error, reason, says string) {
	t.Helper()
	var step *identity.StepError
	require.ErrorAs(t, err, &step)
	assert.Equal(t, reason, step.Reason)
	assert.Contains(t, step.Message, says)
	assert.NotContains(t, step.Message, "\n")
}
