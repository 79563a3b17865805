package attacks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkcredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const (
	byBoundary = "the permissions boundary of every managed role"
	byTags     = "a role is managed only if it has the four tags that name the ServiceAccount"
	everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

// as is the configuration of an SDK with the credentials of the ServiceAccount app.
func (a *attacker) as() aws.Config {
	a.t.Helper()
	creds, err := kit.Read(a.got("app.aws-iam"))
	require.NoError(a.t, err)
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: new(a.aws.URL()), RetryMaxAttempts: 1,
		Credentials: sdkcredentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken),
	}
}

// future is the name of the role that the ServiceAccount app would be given: that of one before it.
func (a *attacker) future() (name string) {
	a.t.Helper()
	a.ask("app", "role-policy", readBucket)
	name = roleName(string(a.got("app.aws-iam").Data["role-arn"]))
	require.NoError(a.t, a.tenant.CoreV1().ServiceAccounts(a.namespace).Delete(a.t.Context(), "app", metav1.DeleteOptions{}))
	a.eventually(func(ctx context.Context) error {
		if _, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Get(ctx, "app", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return errors.New("the ServiceAccount is still there")
		}
		return nil
	})
	require.Contains(a.t, a.describe(a.t.Context(), name), "NoSuchEntity")
	return name
}

// made adds a role as somebody would who may make roles in the account, and returns what it is.
func (a *attacker) made(name string, tags map[string]string) string {
	a.t.Helper()
	_, err := a.aws.AddUser(kit.AccountID, a.namespace, true)
	require.NoError(a.t, err)
	arn, err := a.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Path: "/kube-aws-iam-controller/test/", Name: name, Tags: tags, Policies: map[string]string{"more": everything},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/` + a.namespace + `"},"Action":"sts:AssumeRole"}]}`,
	})
	require.NoError(a.t, err)
	return a.describe(a.t.Context(), arn)
}

// computed is the name of the role of a ServiceAccount, as anybody can compute it.
func computed(namespace, account string) string {
	sum := sha256.Sum256([]byte("test/" + namespace + "/" + account))
	full := namespace + "." + account
	return full[:min(len(full), 53)] + "-" + hex.EncodeToString(sum[:5])
}

func (a *attacker) tags(account string) map[string]string {
	return map[string]string{
		"managed-by": "kube-aws-iam-controller", "kubernetes-cluster": "test", "kubernetes-namespace": a.namespace, "kubernetes-service-account": account,
	}
}

// policy asks for a role of one's own with a policy that is refused.
func policy(document, reason, says string) func(*attacker) {
	return func(a *attacker) {
		a.ask("app", "role-policy", document)
		a.warned("ServiceAccount", "app", reason, says)
		a.nothing("app.aws-iam")
	}
}

var ownRoleAttacks = []attack{
	{
		intent: "write a trust policy into a managed role, by a principal in its policy", by: byParsing,
		try: policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"}]}`, "InvalidAnnotation", "has a Principal"),
	},
	{
		intent: "write a trust policy into a managed role, by a second document", by: byParsing,
		try: policy(`{"Version":"2012-10-17","Statement":[]}{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`,
			"InvalidAnnotation", "is not JSON"),
	},
	{
		intent: "write a trust policy into a managed role, by a statement without a resource", by: byParsing,
		try: policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}`, "InvalidAnnotation", "needs either Resource or NotResource"),
	},
	{
		intent: "change the trust policy of the tenant's managed role, with the permissions in its policy", by: byBoundary,
		try: func(a *attacker) {
			a.ask("app", "role-policy", everything)
			_, err := iam.NewFromConfig(a.as()).UpdateAssumeRolePolicy(a.t.Context(), &iam.UpdateAssumeRolePolicyInput{
				RoleName: new(roleName(string(a.got("app.aws-iam").Data["role-arn"]))), PolicyDocument: new(kit.TrustPolicy("*", "x")),
			})
			require.ErrorContains(a.t, err, "AccessDenied")
		},
	},
	{
		intent: "create roles and remove the boundary, with a policy that allows everything", by: byBoundary,
		try: func(a *attacker) {
			a.ask("app", "role-policy", everything)
			client := iam.NewFromConfig(a.as())
			name := roleName(string(a.got("app.aws-iam").Data["role-arn"]))
			_, err1 := client.DeleteRolePermissionsBoundary(a.t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &name})
			_, err2 := client.CreateRole(a.t.Context(), &iam.CreateRoleInput{RoleName: new("x"), AssumeRolePolicyDocument: new(kit.TrustPolicy("*", "x"))})
			_, err3 := client.GetRole(a.t.Context(), &iam.GetRoleInput{RoleName: new(roleName(a.roles["own"]))})
			for _, err := range []error{err1, err2, err3} {
				require.ErrorContains(a.t, err, "AccessDenied")
			}
		},
	},
	{
		intent: "do the same with AWS's administrator policy attached", by: byBoundary,
		try: func(a *attacker) {
			arn, err := a.aws.AddManagedPolicy("aws", "/", "AdministratorAccess", everything)
			require.NoError(a.t, err)
			a.ask("app", "managed-policies", arn)
			_, err = iam.NewFromConfig(a.as()).GetRole(a.t.Context(), &iam.GetRoleInput{RoleName: new(roleName(a.roles["own"]))})
			require.ErrorContains(a.t, err, "AccessDenied")
		},
	},
	{
		intent: "assume other tenants' roles directly, with a policy that allows it", by: byTrust + ", and the boundary",
		try: func(a *attacker) {
			a.ask("app", "role-policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}`)
			client := sts.NewFromConfig(a.as())
			for _, role := range []string{a.roles["app"], a.roles["own"], a.aws.ControllerARN()} {
				_, err := client.AssumeRole(a.t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: new("x1"), ExternalId: new(a.victim + "/test")})
				require.ErrorContains(a.t, err, "AccessDenied")
			}
		},
	},
	{
		intent: "attach another account's policy, or one that does not exist", by: "IAM refuses; the error is the attacker's alone",
		try: func(a *attacker) {
			for i, arn := range []string{"arn:aws:iam::999999999999:policy/x", "arn:aws:iam::aws:policy/None", "arn:aws-cn:iam::aws:policy/AdministratorAccess"} {
				name := fmt.Sprintf("app-%d", i)
				a.ask(name, "managed-policies", arn)
				a.warned("ServiceAccount", name, "ProvisionFailed", "Failed to provision role")
				a.nothing(name + ".aws-iam")
			}
		},
	},
	{
		intent: "get the name of another ServiceAccount's role, by long names that are cut to the same", by: "the role's name ends in a hash of cluster, namespace and name",
		try: func(a *attacker) {
			long := strings.Repeat("x", 70)
			roles := map[string]bool{}
			for _, name := range []string{long + "-a", long + "-b"} {
				a.ask(name, "role-policy", readBucket)
				roles[string(a.got(name + ".aws-iam").Data["role-arn"])] = true
			}
			assert.Len(a.t, roles, 2)
		},
	},
	{
		intent: "be given a role that somebody created with the name, without tags", by: byTags,
		try: func(a *attacker) {
			name := a.future()
			before := a.made(name, nil)
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "RoleNotOwned", "it lacks the tags that identify this ServiceAccount")
			a.nothing("app.aws-iam")
			assert.Equal(a.t, before, a.describe(a.t.Context(), name))
		},
	},
	{
		intent: "be given a role with the name that is tagged for another ServiceAccount", by: byTags,
		try: func(a *attacker) {
			name := a.future()
			before := a.made(name, a.tags("other"))
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "RoleNotOwned", "it lacks the tags that identify this ServiceAccount")
			assert.Equal(a.t, before, a.describe(a.t.Context(), name))
		},
	},
	{
		intent: "be given a role with the name that is tagged for another cluster", by: byTags,
		try: func(a *attacker) {
			name, tags := a.future(), a.tags("app")
			tags["kubernetes-cluster"] = "another"
			before := a.made(name, tags)
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "RoleNotOwned", "it lacks the tags that identify this ServiceAccount")
			assert.Equal(a.t, before, a.describe(a.t.Context(), name))
		},
	},
	{
		intent: "be given a role with the name in different case", by: "IAM treats both names as equal, the controller does not",
		try: func(a *attacker) {
			name := strings.ToUpper(a.future())
			before := a.made(name, a.tags("app"))
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "RoleNotOwned", "differs in case")
			assert.Equal(a.t, before, a.describe(a.t.Context(), name))
		},
	},
	{
		intent: "be given a role tagged to look managed, with a trust policy and permissions of the attacker", by: "an adopted role gets the boundary first, and loses every trust and policy that is not asked for",
		try: func(a *attacker) {
			name := a.future()
			a.made(name, a.tags("app"))
			a.ask("app", "role-policy", readBucket)
			a.got("app.aws-iam")
			role, err := a.iam.GetRole(a.t.Context(), &iam.GetRoleInput{RoleName: &name})
			require.NoError(a.t, err)
			trust, err := url.PathUnescape(*role.Role.AssumeRolePolicyDocument)
			require.NoError(a.t, err)
			assert.JSONEq(a.t, kit.ManagedTrustPolicy(a.principal, a.namespace+"/test", a.namespace+".app"), trust)
			require.NotNil(a.t, role.Role.PermissionsBoundary)
			inline, err := a.iam.ListRolePolicies(a.t.Context(), &iam.ListRolePoliciesInput{RoleName: &name})
			require.NoError(a.t, err)
			assert.Equal(a.t, []string{"kube-aws-iam-controller"}, inline.PolicyNames)
		},
	},
	{
		intent: "make the controller request other objects from the API server, by tags of a role that contain a path", by: "the sweep asks only for valid names of ServiceAccounts",
		try: func(a *attacker) {
			name := strings.Repeat("m", 60) + "/../../../" + a.victim + "/secrets/app.aws-iam"
			a.made(computed(a.namespace, name), a.tags(name))
			before := len(a.calls("ListRoles", "PathPrefix", "/"))
			a.eventually(func(context.Context) error {
				if len(a.calls("ListRoles", "PathPrefix", "/")) < before+2 {
					return errors.New("no sweep yet")
				}
				return nil
			})
		},
	},
}
