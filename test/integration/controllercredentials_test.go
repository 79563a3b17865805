package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// writeCredentials writes what a credential_process prints, in one stroke.
func writeCredentials(t *testing.T, path string, creds aws.Credentials) {
	t.Helper()
	content, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, "SessionToken": creds.SessionToken,
		"Expiration": creds.Expires.UTC().Format(time.RFC3339),
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".next", content, 0o600))
	require.NoError(t, os.Rename(path+".next", path))
}

func TestTheControllersOwnCredentialsComeFromAFileThatRotates(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	file := filepath.Join(t.TempDir(), "credentials.json")
	short, err := w.aws.RoleCredentials(kit.AccountID, w.aws.ControllerRole, "short", 12*time.Second) // more than a busy machine takes to start
	require.NoError(t, err)
	writeCredentials(t, file, short)
	w.env = w.aws.EndpointEnv()
	w.start("--credentials-file=" + file)
	w.account("first", "app")
	w.secret("first.aws-iam", nil)

	time.Sleep(time.Until(short.Expires) + time.Second)
	w.account("second", "app")
	assert.Contains(t, w.event("ServiceAccount", "second", "GetCredentialsFailed"), "the credentials in "+file+" expired at")

	long, err := w.aws.RoleCredentials(kit.AccountID, w.aws.ControllerRole, "long", time.Hour)
	require.NoError(t, err)
	writeCredentials(t, file, long)
	w.secret("second.aws-iam", nil)
}

func TestRolesAreAssumedThroughAnIntermediateRole(t *testing.T) {
	w := newWorld(t)
	principal := `{"AWS":"` + w.aws.ControllerARN() + `"}`
	through, err := w.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Name: "through",
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}]}`,
	})
	require.NoError(t, err)
	_, err = w.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Name: "app",
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + through + `"},"Action":"sts:AssumeRole",` +
			`"Condition":{"StringEquals":{"sts:ExternalId":"` + w.namespace + `/test"}}}]}`,
	})
	require.NoError(t, err)
	w.env = append(w.env, "POD_NAMESPACE=kube-system")
	w.start("--assume-role=through")
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	for _, name := range []string{"through", w.aws.ControllerRole} {
		w.account("own-"+name, name)
		assert.Contains(t, w.event("ServiceAccount", "own-"+name, "RoleNotPermitted"), "is the controller's own role", name)
	}
}

func TestSessionTags(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.start("--session-tags")
	w.account("app", "app")
	w.secret("app.aws-iam", nil)
	var form map[string]string
	for _, call := range w.aws.Calls() {
		if call.Action == "AssumeRole" {
			form = call.Params
		}
	}
	assert.Equal(t, "kubernetes-namespace", form["Tags.member.1.Key"])
	assert.Equal(t, w.namespace, form["Tags.member.1.Value"])
	assert.Equal(t, "kubernetes-cluster", form["Tags.member.2.Key"])
	assert.Equal(t, "test", form["Tags.member.2.Value"])
	assert.Equal(t, "kubernetes-service-account", form["Tags.member.3.Key"])
	assert.Equal(t, "app", form["Tags.member.3.Value"])
	assert.Equal(t, w.namespace+"/test", form["ExternalId"])
}
