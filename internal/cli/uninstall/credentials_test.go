package uninstall

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/refresh"
)

// What AWS answers is printed for each identity. It must not repeat with what the command,
// by its user's credentials, has asked.
func TestTheCredentialsOfWhoUninstallsAreNotPrinted(t *testing.T) {
	const keyID, secret, token = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI-K7MDENG", "FwoGZXIvYXdzEJr-session"
	sim, err := awssim.Start(t.Context(), awssim.New(awssim.Options{}))
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	_, err = sim.AddUser("123456789012", "nobody", false)
	require.NoError(t, err)
	nobody, err := sim.UserCredentials("123456789012", "nobody")
	require.NoError(t, err)
	deleting := func(own aws.Credentials, url string) error {
		client := iam.New(iam.Options{
			Region: "eu-central-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) { return own, ctx.Err() }),
		})
		_, failed := client.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("ns.app")})
		require.Error(t, failed)
		return awserr.ForCommand(failed)
	}
	stranger := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: token}
	for name, refusal := range map[string]error{
		"keys that AWS does not know": deleting(stranger, sim.URL()),
		"no permission":               deleting(nobody, sim.URL()),
		"nobody answers":              deleting(stranger, "http://127.0.0.1:1"),
	} {
		t.Run(name, func(t *testing.T) {
			left := &leftovers{
				finalizers: map[string]bool{"app": true}, secrets: map[string]refresh.State{"app": {}},
				fails: map[string]error{"delete app": refusal, "sweep": refusal},
			}
			_, printed := left.run(t, false)
			assert.Contains(t, printed, "failed, and keeps its finalizer")
			for _, value := range []string{keyID, secret, token, nobody.AccessKeyID, nobody.SecretAccessKey} {
				assert.NotContains(t, printed, value)
			}
		})
	}
}
