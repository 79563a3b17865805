package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	analyzertypes "github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/iamprovision"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/sts"
)

const (
	home, other, third = "123456789012", "999999999999", "555555555555"
	clusterName        = "demo-cluster" // in what is shipped
	neighbour          = "demo-cluster-2"
	path               = "/kube-aws-iam-controller/" + clusterName + "/"
	controllerName     = "kube-aws-iam-controller-" + clusterName
	boundaryName       = "kube-aws-iam-controller-boundary-" + clusterName
	externalID         = "team/" + clusterName
	readBucket         = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	forEC2             = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// world is simulated AWS with a controller that has one policy, and roles that are none of its business.
type world struct {
	*awssim.Server

	t                                   *testing.T
	controller, boundary, wide, managed string
	config                              aws.Config
	iam                                 *iam.Client // with the controller's credentials
	admin                               *iam.Client
}

func newWorld(t *testing.T, policy string) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	w.Server, err = awssim.Start(t.Context(), awssim.New(awssim.Options{}))
	require.NoError(t, err)
	t.Cleanup(w.Close)
	for name, arn := range map[string]*string{boundaryName: &w.boundary, "wide": &w.wide, "managed": &w.managed} {
		*arn, err = w.AddManagedPolicy(home, "/", name, example(t, "iam", "permissions-boundary.json"))
		require.NoError(t, err)
	}
	w.controller = w.role(awssim.RoleSpec{Name: controllerName, Trust: forEC2, Policies: map[string]string{"controller": policy}})
	ours := tags("kube-aws-iam-controller", clusterName)
	w.role(awssim.RoleSpec{Path: path, Name: "untagged", Trust: forEC2})
	w.role(awssim.RoleSpec{Path: path, Name: "theirs", Trust: forEC2, Boundary: w.boundary, Tags: tags("somebody", clusterName)})
	w.role(awssim.RoleSpec{Path: path, Name: "astray", Trust: forEC2, Boundary: w.boundary, Tags: tags("kube-aws-iam-controller", neighbour)})
	w.role(awssim.RoleSpec{Path: path, Name: "ours", Trust: forEC2, Boundary: w.boundary, Tags: ours})
	w.role(awssim.RoleSpec{Path: path, Name: "unbounded", Trust: forEC2, Tags: ours})
	w.role(awssim.RoleSpec{Path: "/elsewhere/", Name: "elsewhere", Trust: forEC2, Boundary: w.boundary, Tags: ours})
	w.AddInstanceProfile(home, "foreign", "elsewhere")
	trusting := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + w.controller + `"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	for _, account := range []string{home, other, third} {
		w.role(awssim.RoleSpec{Account: account, Name: "demo-app", Trust: trusting})
		w.role(awssim.RoleSpec{Account: account, Name: "OrganizationAccountAccessRole", Trust: trusting})
	}
	_, err = w.AddUser(home, "admin", true)
	require.NoError(t, err)
	admin, err := w.UserCredentials(home, "admin")
	require.NoError(t, err)
	w.admin = iam.NewFromConfig(w.as(admin))
	creds, err := w.RoleCredentials(home, controllerName, "test", time.Hour)
	require.NoError(t, err)
	w.config = w.as(creds)
	w.iam = iam.NewFromConfig(w.config)
	return w
}

func (w *world) role(spec awssim.RoleSpec) string {
	w.t.Helper()
	if spec.Account == "" {
		spec.Account = home
	}
	arn, err := w.AddRole(spec)
	require.NoError(w.t, err)
	return arn
}

func (w *world) as(creds aws.Credentials) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: new(w.URL()), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}
}

// tags are those that tell whose a role is.
func tags(owner, cluster string) map[string]string {
	all := map[string]string{}
	for key, value := range map[string]string{"managed-by": owner, "kubernetes-cluster": cluster} {
		if value != "" {
			all[key] = value
		}
	}
	return all
}

// lifecycle is all that the controller does in AWS, by its own code, but for what needs a statement of one's own. It returns
// the first error.
func (w *world) lifecycle() error {
	ctx := w.t.Context()
	p, assumer, err := w.running(clusterName, w.boundary)
	if err != nil {
		return err
	}
	want, role, err := w.served(p, assumer)
	if err != nil {
		return err
	}
	_, err = p.Delete(ctx, want.Key, role.ID)
	return err
}

// fullLifecycle is lifecycle with existing roles of another account, instance profiles, and hints about the boundary and by IAM Access Analyzer.
func (w *world) fullLifecycle() error {
	ctx := w.t.Context()
	p, assumer, err := w.running(clusterName, w.boundary)
	if err != nil {
		return err
	}
	want, role, err := w.served(p, assumer)
	if err != nil {
		return err
	}
	elsewhere := want // an existing role, which is tagged
	elsewhere.Managed = nil
	elsewhere.Role = identity.RoleReference{Partition: "aws", Account: other, Name: "demo-app"}
	if _, err = assumer.Assume(ctx, elsewhere); err != nil {
		return err
	}
	if _, err = p.ReadBoundary(ctx); err != nil {
		return err
	}
	if err = w.validate(ctx, want.Managed.Policy); err != nil {
		return err
	}
	w.AddInstanceProfile(home, "kube-aws-iam-controller/"+clusterName+"/profile", role.ARN.Name)
	_, err = p.Delete(ctx, want.Key, role.ID)
	return err
}

// validate asks IAM Access Analyzer about a policy, as --validate-policies does.
func (w *world) validate(ctx context.Context, policy string) error {
	_, err := accessanalyzer.NewFromConfig(w.config).ValidatePolicy(ctx, &accessanalyzer.ValidatePolicyInput{
		PolicyDocument: &policy, PolicyType: analyzertypes.PolicyTypeIdentityPolicy,
	})
	return err
}

// running is the controller's code for a cluster.
func (w *world) running(cluster, boundary string) (*iamprovision.Provisioner, *sts.Assumer, error) {
	ctx := w.t.Context()
	assumer, err := sts.New(w.config, sts.Options{ClusterName: cluster, SessionTags: true, QPS: 1000})
	if err != nil {
		return nil, nil, err
	}
	if _, err = assumer.Principal(ctx); err != nil {
		return nil, nil, err
	}
	return iamprovision.New(w.config, iamprovision.Options{
		ClusterName: cluster, Boundary: boundary, QPS: 1000, Principal: assumer.Principal,
		SessionName: sts.ServiceAccountSessionName, TransitiveTags: assumer.TransitiveTags,
	}), assumer, nil
}

// served makes a role and does all with it that is done before it is deleted.
func (w *world) served(p *iamprovision.Provisioner, assumer *sts.Assumer) (identity.Desired, identity.Role, error) {
	ctx := w.t.Context()
	want := identity.Desired{
		Key: identity.Key{Source: identity.ServiceAccount, Namespace: "team", Name: "app"}, UID: "u", ExternalID: "team/" + p.ClusterName,
		SessionDuration: time.Hour, Managed: &identity.ManagedRole{Policy: readBucket, ManagedPolicies: []string{w.managed}},
	}
	role, err := p.Ensure(ctx, want, "")
	if err != nil {
		return want, role, err
	}
	if want.Role, err = role.ARN, w.tamper(role.ARN.Name); err != nil {
		return want, role, err
	}
	if _, err = p.Ensure(ctx, want, role.ID); err != nil {
		return want, role, err
	}
	if _, err = p.Retain(ctx, want.Key, role.ID); err != nil {
		return want, role, err
	}
	if _, err = p.Ensure(ctx, want, role.ID); err != nil { // takes the tag off again
		return want, role, err
	}
	found := false
	if err = p.Sweep(ctx, slices.Values([]identity.Key(nil)), func(identity.Key, string) { found = true }); err != nil || !found {
		return want, role, errors.Join(err, fmt.Errorf("the sweep found it: %v", found))
	}
	_, err = assumer.Assume(ctx, want)
	return want, role, err
}

// tamper changes all that the controller corrects.
func (w *world) tamper(role string) error {
	ctx := w.t.Context()
	_, err1 := w.admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: new("more"), PolicyDocument: new(readBucket)})
	_, err2 := w.admin.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &w.wide})
	_, err3 := w.admin.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &role, PolicyDocument: new(forEC2)})
	_, err4 := w.admin.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: &role})
	_, err5 := w.admin.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: &role, MaxSessionDuration: new(int32(7200))})
	_, err6 := w.admin.TagRole(ctx, &iam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: new("kubernetes-cluster-uid"), Value: new("x")}}})
	return errors.Join(err1, err2, err3, err4, err5, err6)
}
