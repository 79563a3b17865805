package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
)

// Accounts of the simulated world: the controller's, and another.
const (
	AccountID      = "123456789012"
	OtherAccountID = "999999999999"
	region         = "eu-central-1"
)

// AWS is simulated AWS with the controller's user or role in it.
type AWS struct {
	*awssim.Server

	// ControllerRole is the name of the controller's own role.
	ControllerRole string
	// Boundary is the ARN of the permissions boundary for roles that the controller makes.
	Boundary string

	controllerARN string
	env           aws.Credentials
	ahead         atomic.Int64 // of the clock, in nanoseconds
}

func (a *AWS) now() time.Time { return time.Now().Add(time.Duration(a.ahead.Load())) }

// Advance sets the clock of AWS ahead of the machine's. Signatures are refused from 15 minutes on.
func (a *AWS) Advance(d time.Duration) { a.ahead.Store(int64(d)) }

// controllerPolicy is the policy that is shipped, for a controller of a cluster, its own role and its boundary, and beside
// it what an installer adds who has roles in another account: nothing here runs with more than that.
func controllerPolicy(clusterName, controllerARN, boundary string) (string, error) {
	text, err := example("controller-policy.json")
	return strings.NewReplacer(
		ARN(AccountID, "", "kube-aws-iam-controller-"+exampleCluster), controllerARN,
		boundaryARN+exampleCluster, boundary, exampleCluster, clusterName,
		`"Statement": [`, `"Statement": [{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Resource":"`+ARN(OtherAccountID, "", "*")+`"},`,
	).Replace(text), err
}

const (
	exampleCluster = "demo-cluster" // in what is shipped
	boundaryARN    = "arn:aws:iam::" + AccountID + ":policy/kube-aws-iam-controller-boundary-"
)

// example is a document of examples/iam.
func example(name string) (string, error) {
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "examples", "iam", name)) //nolint:gosec // a name of our own
	return string(text), err
}

// StartAWS starts simulated AWS in which the controller of the cluster "test" is a role, as on an instance: its sessions of
// other roles are chained. The path is that of the controller's own role.
func StartAWS(ctx context.Context, path string) (*AWS, error) {
	return StartAWSOn(ctx, "127.0.0.1", path)
}

// StartAWSOn is StartAWS on another address of this machine, such as one that pods reach.
func StartAWSOn(ctx context.Context, address, path string) (*AWS, error) {
	a := &AWS{ControllerRole: "kube-aws-iam-controller"}
	var err error
	if a.Server, err = awssim.StartOn(ctx, awssim.New(awssim.Options{Now: a.now}), address); err != nil {
		return nil, err
	}
	const clusterName = "test"
	policy, err := controllerPolicy(clusterName, ARN(AccountID, path[1:], a.ControllerRole), boundaryARN+clusterName)
	if err != nil {
		return nil, err
	}
	a.controllerARN, err = a.AddRole(awssim.RoleSpec{
		Account: AccountID, Path: path, Name: a.ControllerRole,
		Trust:    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		Policies: map[string]string{"controller": policy},
	})
	if err != nil {
		return nil, err
	}
	boundary, err := example("permissions-boundary.json")
	if err != nil {
		return nil, err
	}
	a.Boundary, err = a.AddManagedPolicy(AccountID, "/", "kube-aws-iam-controller-boundary-"+clusterName, boundary)
	if err != nil {
		return nil, err
	}
	a.env, err = a.RoleCredentials(AccountID, a.ControllerRole, "i-0123456789abcdef0", 24*time.Hour)
	return a, err
}

// ServeCluster makes the controller that of another cluster.
func (a *AWS) ServeCluster(ctx context.Context, name string) error {
	policy, err := controllerPolicy(name, a.controllerARN, a.Boundary)
	if err != nil {
		return err
	}
	admin, err := a.Admin()
	if err != nil {
		return err
	}
	_, err = admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &a.ControllerRole, PolicyName: new("controller"), PolicyDocument: &policy})
	return err
}

// ControllerARN is the ARN of the controller's own role.
func (a *AWS) ControllerARN() string { return a.controllerARN }

// Credentials are the controller's own.
func (a *AWS) Credentials() aws.Credentials { return a.env }

// EndpointEnv is the environment of a process that uses this AWS, without credentials.
func (a *AWS) EndpointEnv() []string {
	return []string{
		"AWS_ENDPOINT_URL_STS=" + a.URL(), "AWS_ENDPOINT_URL_IAM=" + a.URL(), "AWS_ENDPOINT_URL_ACCESSANALYZER=" + a.URL(),
		"AWS_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// ControllerEnv is the environment of a controller.
func (a *AWS) ControllerEnv() []string {
	return append(a.EndpointEnv(),
		"AWS_ACCESS_KEY_ID="+a.env.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.env.SecretAccessKey, "AWS_SESSION_TOKEN="+a.env.SessionToken)
}

// TrustPolicy is what the owner of a role writes into it, for the controller on behalf of an external ID.
func (a *AWS) TrustPolicy(externalID string) string { return TrustPolicy(a.controllerARN, externalID) }

// TrustPolicy trusts a principal on behalf of an external ID.
func TrustPolicy(principalARN, externalID string) string {
	type object map[string]any
	principal := object{"AWS": principalARN}
	text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": []object{
		{
			"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole",
			"Condition": object{"StringEquals": object{"sts:ExternalId": externalID}},
		},
		{"Effect": "Allow", "Principal": principal, "Action": "sts:TagSession"},
	}})
	if err != nil {
		return "" // strings always marshal
	}
	return string(text)
}

// ManagedTrustPolicy is what the controller writes into a role that it makes for a ServiceAccount, whose session name it
// demands.
func (a *AWS) ManagedTrustPolicy(externalID, sessionName string) string {
	return ManagedTrustPolicy(a.controllerARN, externalID, sessionName)
}

// ManagedTrustPolicy is the same for a principal.
func ManagedTrustPolicy(principalARN, externalID, sessionName string) string {
	return strings.Replace(TrustPolicy(principalARN, externalID), `"StringEquals":{`,
		`"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"},"StringEquals":{"sts:RoleSessionName":"`+sessionName+`",`, 1)
}

// Role adds a role that trusts the controller on behalf of an external ID. The path is "" or ends in a slash.
func (a *AWS) Role(account, path, name, externalID string) (string, error) {
	return a.AddRole(awssim.RoleSpec{
		Account: account, Path: "/" + path, Name: name, Trust: a.TrustPolicy(externalID), MaxSessionDuration: 43200,
	})
}

// ARN is that of a role.
func ARN(account, path, name string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s%s", account, path, name)
}

// SetSession makes all sessions that long, whatever is asked for; 0 for what is asked for.
func (a *AWS) SetSession(d time.Duration) {
	a.Set(awssim.Settings{Session: new(awssim.Duration(d))})
}

// SetLatency makes every request take that long.
func (a *AWS) SetLatency(d time.Duration) {
	a.Set(awssim.Settings{Latency: new(awssim.Duration(d))})
}

// SetFaults replaces what goes wrong.
func (a *AWS) SetFaults(faults ...awssim.Fault) { a.Set(awssim.Settings{Faults: &faults}) }

// Admin is the IAM client of somebody who may do everything.
func (a *AWS) Admin() (*iam.Client, error) {
	if _, err := a.AddUser(AccountID, "admin", true); err != nil {
		return nil, err
	}
	creds, err := a.UserCredentials(AccountID, "admin")
	return iam.New(iam.Options{
		Region: "us-east-1", BaseEndpoint: new(a.URL()), HTTPClient: &http.Client{},
		Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, ""),
	}), err
}

// WhoAmI asks STS whose credentials these are, as any program would, and returns the ARN.
func (a *AWS) WhoAmI(ctx context.Context, id, secret, token string) (string, error) {
	out, err := a.Caller(ctx, id, secret, token)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(aws.ToString(out.Arn)), nil
}

// Caller is WhoAmI with all that STS tells.
func (a *AWS) Caller(ctx context.Context, id, secret, token string) (*sts.GetCallerIdentityOutput, error) {
	client := sts.New(sts.Options{
		Region: region, BaseEndpoint: new(a.URL()), Credentials: credentials.NewStaticCredentialsProvider(id, secret, token),
		HTTPClient: &http.Client{}, // without a transport of its own it shares connections
	})
	return client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
}
