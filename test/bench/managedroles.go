package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stypes "k8s.io/apimachinery/pkg/types"
)

// rolePolicy is what each managed role grants.
const rolePolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket/*"}]}`

var roleOfItsOwn = kind{"ServiceAccounts with a role-policy", (*bench).createOwner}

func (b *bench) createOwner(ctx context.Context, namespace, name string) error {
	_, err := b.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"iam.amazonaws.com/role-policy": rolePolicy}},
	}, metav1.CreateOptions{})
	return err
}

// managedRoles measures many new roles at once. What limits requests to IAM is out of the way: it would be what is measured.
func (b *bench) managedRoles(ctx context.Context, size sizes, r *report) error {
	b.aws.SetLatency(latency)
	defer b.aws.SetLatency(0)
	const bareNamespace = "bare-roles"
	if err := b.namespace(ctx, bareNamespace); err != nil {
		return err
	}
	if err := b.numbered(ctx, bareNamespace, 0, size.roles, b.createOther); err != nil {
		return err
	}
	maker, err := b.roleMaker(bareNamespace)
	if err != nil {
		return err
	}
	b.say("bare loop: %d new roles, %d at once", size.roles, workers)
	loop, err := all(ctx, size.roles, workers, maker.one)
	if err != nil {
		return err
	}
	before := b.aws.Counts()
	took, err := b.served(ctx, "own-roles", size.roles, roleOfItsOwn, "--permissions-boundary="+b.aws.Boundary, "--iam-qps=10000", "--max-roles-per-namespace=0")
	if err != nil {
		return err
	}
	calls := 0
	for action, n := range b.aws.Counts() {
		calls += n - before[action]
	}
	ratio := took.Seconds() / loop.Seconds()
	r.add(ratio <= 1.3, fmt.Sprintf("%d new managed roles at once, IAM and STS at %s, from the start of the process to the last Secret", size.roles, latency),
		"at most 1.3 times a bare loop of the same calls", "%.2f times (%.2f s, the loop %.2f s; %.2f calls of AWS for each)",
		ratio, took.Seconds(), loop.Seconds(), float64(calls)/float64(size.roles))
	return nil
}

// roleMaker makes the requests that cannot be avoided for a managed role: the finalizer on the ServiceAccount, the
// role, its policy, and what bare does.
type roleMaker struct {
	*bare

	iam                   *iam.Client
	path, trust, boundary string
}

func (b *bench) roleMaker(namespace string) (*roleMaker, error) {
	loop, err := b.bare(namespace)
	creds := b.aws.Credentials()
	return &roleMaker{
		bare: loop,
		iam: iam.New(iam.Options{
			Region: "eu-central-1", BaseEndpoint: new(b.aws.URL()),
			Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken),
		}),
		path: "/kube-aws-iam-controller/" + clusterName + "/", trust: b.aws.TrustPolicy(namespace + "/" + clusterName), boundary: b.aws.Boundary,
	}, err
}

func (m *roleMaker) one(ctx context.Context, name string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": []string{"bench.example.org/role"}}})
	if err != nil {
		return err
	}
	if _, err = m.kubernetes.CoreV1().ServiceAccounts(m.namespace).Patch(ctx, name, k8stypes.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return err
	}
	role, err := m.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: new(m.namespace + "." + name), Path: &m.path, AssumeRolePolicyDocument: &m.trust, PermissionsBoundary: &m.boundary,
		MaxSessionDuration: new(int32(3600)), Description: new("ServiceAccount " + m.namespace + "/" + name + " of the cluster " + clusterName),
		Tags: []types.Tag{
			{Key: new("managed-by"), Value: new("kube-aws-iam-controller")}, {Key: new("kubernetes-cluster"), Value: new(clusterName)},
			{Key: new("kubernetes-namespace"), Value: &m.namespace}, {Key: new("kubernetes-service-account"), Value: &name},
		},
	})
	if err != nil {
		return err
	}
	if _, err = m.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: role.Role.RoleName, PolicyName: new("kube-aws-iam-controller"), PolicyDocument: new(rolePolicy),
	}); err != nil {
		return err
	}
	return m.serve(ctx, name, *role.Role.Arn)
}
