package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// withoutCredentials has the controller find none in the environment, nor keep from looking for a metadata service.
func (w *world) withoutCredentials() {
	w.env = append(w.aws.EndpointEnv(), "AWS_EC2_METADATA_DISABLED=false")
}

// acceptingRole adds a role whose trust policy lets the source identity of the controller pass.
func (w *world) acceptingRole(name string) {
	w.t.Helper()
	trust := strings.Replace(w.aws.TrustPolicy(w.namespace+"/test"), `"sts:TagSession"`, `["sts:TagSession","sts:SetSourceIdentity"]`, 1)
	_, err := w.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Name: name, Trust: trust})
	require.NoError(w.t, err)
}

// helperProgram writes a program that stands for aws_signing_helper: it is called as in the example, and fetches what to print.
func helperProgram(t *testing.T, url string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	program := "#!/bin/sh\n[ \"$1\" = credential-process ] && exec curl --silent --fail --noproxy '*' " + url + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "aws_signing_helper"), []byte(program), 0o700))
	return dir
}

func TestCredentialsOfRolesAnywhereComeFromAProcess(t *testing.T) {
	w := newWorld(t)
	helper, err := w.aws.StartRolesAnywhere(t.Context(), 10*time.Second)
	require.NoError(t, err)
	process := helper.Process()
	t.Cleanup(process.Close)
	root, err := cluster.Root()
	require.NoError(t, err)
	w.acceptingRole("app")
	w.withoutCredentials()
	w.env = append(w.env, "PATH="+helperProgram(t, process.URL)+":"+os.Getenv("PATH"),
		"AWS_CONFIG_FILE="+filepath.Join(root, "examples", "credentials", "roles-anywhere", "config"))
	w.aws.SetSession(10 * time.Second)
	w.start()
	w.account("app", "app")
	w.secret("app.aws-iam", w.secret("app.aws-iam", nil))
	w.secret("app.aws-iam", w.secret("app.aws-iam", nil))
}

func TestCredentialsOfRolesAnywhereComeFromTheHelpersEndpoint(t *testing.T) {
	w := newWorld(t)
	helper, err := w.aws.StartRolesAnywhere(t.Context(), time.Hour)
	require.NoError(t, err)
	endpoint := helper.Serve()
	t.Cleanup(endpoint.Close)
	w.acceptingRole("app")
	w.iamRole("", "closed")
	w.withoutCredentials()
	w.env = append(w.env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+endpoint.URL+"/")
	w.start()
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	w.account("closed", "closed")
	assert.Contains(t, w.event("ServiceAccount", "closed", "GetCredentialsFailed"), "have the trust policy of the role, and the controller's own policy, allow sts:SetSourceIdentity")
}

func TestManagedRolesAcceptASourceIdentityWhereAsked(t *testing.T) {
	w := newWorld(t)
	helper, err := w.aws.StartRolesAnywhere(t.Context(), time.Hour)
	require.NoError(t, err)
	endpoint := helper.Serve()
	t.Cleanup(endpoint.Close)
	w.withoutCredentials()
	w.env = append(w.env, "AWS_EC2_METADATA_SERVICE_ENDPOINT="+endpoint.URL+"/")
	w.start("--allow-source-identity", "--permissions-boundary="+w.aws.Boundary)
	_, err = w.objects().Account(t.Context(), "app", map[string]string{"role-policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`})
	require.NoError(t, err)
	w.secret("app.aws-iam", nil)
}

func TestAHelperOfRolesAnywhereThatFailsIsNamed(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.withoutCredentials()
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf("[default]\ncredential_process = %s/aws_signing_helper credential-process\n", helperProgram(t, "http://127.0.0.1:1"))), 0o600))
	w.env = append(w.env, "AWS_CONFIG_FILE="+config)
	w.start()
	w.account("app", "app")
	assert.Contains(t, w.event("ServiceAccount", "app", "GetCredentialsFailed"), "the credential_process of the shared configuration files returned none")
}
