package kit

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"kube-aws-iam-controller/internal/awssim"
)

// PodIdentity is EKS Pod Identity for the controller: the agent, and what its webhook sets in the pod.
type PodIdentity struct {
	*httptest.Server

	token string // path of the file
}

// StartPodIdentity starts an agent that has sessions of the controller's role, with session tags unless these are disabled.
func (a *AWS) StartPodIdentity(dir string, disableSessionTags bool) (*PodIdentity, error) {
	// The SDK is told where the token is, by the path that Pod Identity has in pods.
	p := &PodIdentity{token: filepath.Join(dir, "pods.eks.amazonaws.com", "serviceaccount", "eks-pod-identity-token")}
	if err := os.MkdirAll(filepath.Dir(p.token), 0o700); err != nil {
		return nil, err
	}
	token := rand.Text()
	if err := os.WriteFile(p.token, []byte(token), 0o600); err != nil {
		return nil, err
	}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		creds, err := a.PodIdentityCredentials(awssim.PodIdentity{
			Account: AccountID, Role: a.ControllerRole, Cluster: "eks", Namespace: Namespace, ServiceAccount: Account,
			Pod: Account + "-0", UID: rand.Text(), Lifetime: 6 * time.Hour, DisableSessionTags: disableSessionTags,
		})
		if err != nil || r.Header.Get("Authorization") != token {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{
			"AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, "Token": creds.SessionToken,
			"AccountId": AccountID, "Expiration": creds.Expires.UTC().Format(time.RFC3339),
		})
	}))
	return p, nil
}

// Env is the environment of a controller under Pod Identity.
func (p *PodIdentity) Env(a *AWS) []string {
	return append(a.EndpointEnv(), "AWS_CONTAINER_CREDENTIALS_FULL_URI="+p.URL+"/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+p.token)
}
