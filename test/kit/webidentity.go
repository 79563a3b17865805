package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
)

// Audience is that of tokens for STS.
const Audience = "sts.amazonaws.com"

// WebIdentity is a cluster whose tokens AWS accepts, and the token file of its controller.
type WebIdentity struct {
	// Issuer is that of the cluster's tokens.
	Issuer string
	// TokenFile is where the kubelet would keep the token.
	TokenFile string

	access *cluster.Access
	aws    *AWS
}

// FederateCluster makes the controller's role one for the controller's ServiceAccount alone, by an OIDC provider of the
// cluster's issuer. AWS finds the issuer, and its keys, at the API server. The token file is in dir, and is not there yet.
func (a *AWS) FederateCluster(ctx context.Context, access *cluster.Access, dir string) (*WebIdentity, error) {
	w := &WebIdentity{access: access, aws: a, TokenFile: filepath.Join(dir, "token")}
	provider, issuer, err := a.AddClusterProvider(ctx, access)
	if err != nil {
		return nil, err
	}
	w.Issuer = issuer
	admin, err := a.Admin()
	if err != nil {
		return nil, err
	}
	_, err = admin.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: &a.ControllerRole, PolicyDocument: new(WebIdentityTrust(provider, issuer, Namespace, Account)),
	})
	return w, err
}

// AddClusterProvider makes AWS accept the tokens of a cluster, and returns the ARN of its OIDC provider and the issuer.
func (a *AWS) AddClusterProvider(ctx context.Context, access *cluster.Access) (provider, issuer string, err error) {
	client, err := issuerClient(access)
	if err != nil {
		return "", "", err
	}
	if issuer, err = issuerOf(ctx, access); err != nil {
		return "", "", err
	}
	provider, err = a.AddOIDCProvider(awssim.OIDCProvider{Account: AccountID, URL: issuer, ClientIDs: []string{Audience}, Client: client})
	return provider, issuer, err
}

// WebIdentityTrust is the trust policy of a role for the tokens of a ServiceAccount.
func WebIdentityTrust(provider, issuer, namespace, account string) string {
	host := strings.TrimPrefix(issuer, "https://")
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity",`+
		`"Condition":{"StringEquals":{"%s:sub":"system:serviceaccount:%s:%s","%s:aud":%q}}}]}`, provider, host, namespace, account, host, Audience)
}

// issuerClient reaches the API server by whatever name: issuers of clusters have names that only the cluster knows, and
// the address of their keys is one that the API server advertises and has no certificate for.
func issuerClient(access *cluster.Access) (*http.Client, error) {
	config := access.AdminConfig()
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	config.ServerName = "kubernetes.default.svc"
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil } // whatever the machine's is
	config.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Host)
	}
	return rest.HTTPClientFor(config)
}

func issuerOf(ctx context.Context, access *cluster.Access) (string, error) {
	text, err := access.Client().CoreV1().RESTClient().Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	var discovery struct {
		Issuer string `json:"issuer"`
	}
	err = json.Unmarshal(text, &discovery)
	return discovery.Issuer, err
}

// Token asks the API server for a token of a ServiceAccount, which lives for ten minutes, the least there is.
func (w *WebIdentity) Token(ctx context.Context, namespace, account, audience string) (string, error) {
	const tenMinutes = 600
	answer, err := w.access.Client().CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: new(int64(tenMinutes))},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("token of ServiceAccount %s/%s: %w", namespace, account, err)
	}
	return answer.Status.Token, nil
}

// Project puts a new token of the controller into the file, in one stroke, and returns it.
func (w *WebIdentity) Project(ctx context.Context) (string, error) {
	token, err := w.Token(ctx, Namespace, Account, Audience)
	if err != nil {
		return "", err
	}
	return token, w.Write(token)
}

// Write puts any text into the file.
func (w *WebIdentity) Write(token string) error {
	next := w.TokenFile + ".next"
	if err := os.WriteFile(next, []byte(token), 0o600); err != nil {
		return err
	}
	return os.Rename(next, w.TokenFile)
}

// Env is the environment of a controller that has the token.
func (w *WebIdentity) Env() []string {
	return append(w.aws.EndpointEnv(), "AWS_ROLE_ARN="+w.aws.ControllerARN(), "AWS_WEB_IDENTITY_TOKEN_FILE="+w.TokenFile)
}
