package sts

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

// profileOfPage is the configuration that docs/concepts.md has for such a role.
var profileOfPage = regexp.MustCompile("(?s)```ini\n(.*?)```")

// TestAnSDKGoesOnToARoleThatTrustsOnlyAnotherOne has an application assume a second role with the credentials that its
// pod is given, by the profile that the page tells it to write.
func TestAnSDKGoesOnToARoleThatTrustsOnlyAnotherOne(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	app := w.add(awssim.RoleSpec{Name: "demo-app", Admin: true, Trust: trusting(home)})
	w.add(awssim.RoleSpec{Account: other, Name: "vendor", Trust: trusting(app, "given-by-the-vendor")})
	creds, err := w.RoleCredentials(home, "demo-app", "demo.app", time.Hour)
	require.NoError(t, err)

	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "concepts.md"))
	require.NoError(t, err)
	profile := profileOfPage.FindSubmatch(page)
	require.NotNil(t, profile)
	text := string(profile[1])
	const fromProfile = "source_profile = default"
	require.Contains(t, text, fromProfile)

	for delivery, config := range map[string]string{
		"process":  text,
		"endpoint": strings.Replace(text, fromProfile, "credential_source = EcsContainer", 1),
	} {
		t.Run(delivery, func(t *testing.T) {
			isolate(t)
			give(t, delivery, creds)
			t.Setenv("AWS_ENDPOINT_URL_STS", w.URL())
			t.Setenv("AWS_REGION", "eu-central-1")
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "config"))
			require.NoError(t, os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(config), 0o600))
			t.Setenv("AWS_PROFILE", "vendor")
			cfg, err := awsconfig.LoadDefaultConfig(t.Context())
			require.NoError(t, err)
			who, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			require.NoError(t, err)
			assert.Contains(t, aws.ToString(who.Arn), "arn:aws:sts::"+other+":assumed-role/vendor/")
		})
	}
}

// give has the environment be that of a container with credentials by a delivery.
func give(t *testing.T, delivery string, creds aws.Credentials) {
	t.Helper()
	given := map[string]any{
		"Version": 1, "AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, "SessionToken": creds.SessionToken,
		"Token": creds.SessionToken, "Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}
	text, err := json.Marshal(given)
	require.NoError(t, err)
	if delivery == "endpoint" {
		server := httptest.NewServer(answer(http.StatusOK, string(text)))
		t.Cleanup(server.Close)
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
		return
	}
	dir := t.TempDir()
	process := fmt.Appendf(nil, "[default]\ncredential_process = cat %s/credentials.json\n", dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.json"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.process"), process, 0o600))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials.process"))
}
