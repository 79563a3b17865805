package integration

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// newFederatedWorld is one in which the controller has nothing but a token of the cluster.
func newFederatedWorld(t *testing.T) (*world, *kit.WebIdentity) {
	t.Helper()
	w := newWorld(t)
	web, err := w.aws.FederateCluster(t.Context(), w.Access, t.TempDir())
	require.NoError(t, err)
	w.env = web.Env()
	w.iamRole("", "app")
	return w, web
}

func TestOutsideAWSTheControllerRunsOnTheClustersOwnToken(t *testing.T) {
	w, web := newFederatedWorld(t)
	_, err := web.Project(t.Context())
	require.NoError(t, err)
	w.aws.SetSession(10 * time.Second)
	w.start()
	w.account("app", "app")
	first := w.secret("app.aws-iam", nil)
	got := read(t, first)
	arn, err := w.aws.WhoAmI(t.Context(), got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sts::"+kit.AccountID+":assumed-role/app/"+w.namespace+".app", arn)

	token, err := web.Project(t.Context()) // as the kubelet does
	require.NoError(t, err)
	w.eventually(func(context.Context) error {
		if !slices.Contains(w.aws.IssuedSecrets(), token) {
			return errors.New("the new token was not used yet")
		}
		return nil
	})
	w.secret("app.aws-iam", first)
	w.account("later", "app")
	w.secret("later.aws-iam", nil)
}

func TestTokensThatAWSRefusesAreExplained(t *testing.T) {
	token := func(namespace, account, audience string) func(*world, *kit.WebIdentity) {
		return func(w *world, web *kit.WebIdentity) {
			text, err := web.Token(w.t.Context(), namespace, account, audience)
			require.NoError(w.t, err)
			require.NoError(w.t, web.Write(text))
		}
	}
	controllers := token(kit.Namespace, kit.Account, kit.Audience)
	for name, tc := range map[string]struct {
		prepare func(*world, *kit.WebIdentity)
		says    []string
	}{
		"another audience": {
			token(kit.Namespace, kit.Account, "vault"),
			[]string{"InvalidIdentityToken: Incorrect token audience", "project the controller's token with the audience sts.amazonaws.com"},
		},
		"another subject": {
			token(kit.Namespace, "default", kit.Audience),
			[]string{"AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", "allow this cluster's OIDC provider and, as its subject, the controller's ServiceAccount"},
		},
		"expired": {
			func(w *world, web *kit.WebIdentity) { controllers(w, web); w.aws.Advance(11 * time.Minute) },
			[]string{"ExpiredTokenException: Token expired", "a projected one, which the kubelet renews"},
		},
		"an issuer that AWS does not know": {
			func(w *world, web *kit.WebIdentity) {
				controllers(w, web)
				w.aws.RemoveOIDCProvider(kit.AccountID, web.Issuer)
			},
			[]string{"InvalidIdentityToken: No OpenIDConnect provider found in your account for https://kubernetes.default.svc", "create the IAM OIDC provider of this cluster"},
		},
		"an issuer that AWS does not reach": {
			func(w *world, web *kit.WebIdentity) {
				controllers(w, web)
				_, err := w.aws.AddOIDCProvider(awssim.OIDCProvider{Account: kit.AccountID, URL: web.Issuer, ClientIDs: []string{kit.Audience}})
				require.NoError(w.t, err)
			},
			[]string{"IDPCommunicationError", "over public HTTPS"},
		},
		"no token": {
			func(*world, *kit.WebIdentity) {},
			[]string{"/token: no such file or directory", "have that file there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, web := newFederatedWorld(t)
			tc.prepare(w, web)
			c := w.start()
			w.account("app", "app")
			message := w.event("ServiceAccount", "app", "GetCredentialsFailed")
			for _, part := range append(tc.says, "the controller itself has no AWS credentials") {
				assert.Contains(t, message, part)
			}
			log, err := c.Output()
			require.NoError(t, err)
			for _, part := range tc.says {
				assert.Contains(t, strings.ReplaceAll(log, `\"`, `"`), part, "the log says so, too")
			}
			assert.Zero(t, w.assumed())
		})
	}
}
