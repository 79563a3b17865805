package kit

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// RolesAnywhere stands for the helper of IAM Roles Anywhere on a controller's machine: sessions of the controller's role that
// have the name in its certificate as their source identity. The helper itself, and the service, are not here.
type RolesAnywhere struct {
	aws      *AWS
	lifetime time.Duration
}

// commonName is that of the certificate.
const commonName = "kube-aws-iam-controller"

// StartRolesAnywhere lets the controller's role pass on its source identity, as whoever uses Roles Anywhere has to.
// Sessions live for as long as lifetime.
func (a *AWS) StartRolesAnywhere(ctx context.Context, lifetime time.Duration) (*RolesAnywhere, error) {
	admin, err := a.Admin()
	if err != nil {
		return nil, err
	}
	policy, err := os.ReadFile(filepath.Join("..", "..", "examples", "credentials", "roles-anywhere", "controller-policy.json"))
	if err != nil {
		return nil, err
	}
	_, err = admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &a.ControllerRole, PolicyName: new("roles-anywhere"), PolicyDocument: new(string(policy))})
	return &RolesAnywhere{aws: a, lifetime: lifetime}, err
}

// document is a session, with the token under the given key.
func (r *RolesAnywhere) document(token string) (map[string]any, error) {
	creds, err := r.aws.RolesAnywhereCredentials(AccountID, r.aws.ControllerRole, commonName, r.lifetime)
	return map[string]any{
		"AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, token: creds.SessionToken,
		"Expiration": creds.Expires.UTC().Format(time.RFC3339),
	}, err
}

// Process serves what the helper's command credential-process prints, at a URL for a program to fetch.
func (r *RolesAnywhere) Process() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		document, err := r.document("SessionToken")
		if err != nil {
			http.Error(w, "no session", http.StatusInternalServerError)
			return
		}
		document["Version"] = 1
		_ = json.NewEncoder(w).Encode(document)
	}))
}

// Serve is what the helper's command serve is: an instance metadata service, version 2, on loopback.
func (r *RolesAnywhere) Serve() *httptest.Server {
	const (
		credentials = "/latest/meta-data/iam/security-credentials/"
		ttl         = "X-aws-ec2-metadata-token-ttl-seconds"
	)
	token, mux := rand.Text(), http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, req *http.Request) {
		if _, err := strconv.Atoi(req.Header.Get(ttl)); err != nil {
			http.Error(w, "no lifetime", http.StatusBadRequest)
			return
		}
		w.Header().Set(ttl, req.Header.Get(ttl))
		_, _ = w.Write([]byte(token))
	})
	mux.HandleFunc("GET "+credentials, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("X-aws-ec2-metadata-token") != token {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		if req.URL.Path == credentials {
			_, _ = w.Write([]byte(r.aws.ControllerRole))
			return
		}
		document, err := r.document("Token")
		if err != nil {
			http.Error(w, "no session", http.StatusInternalServerError)
			return
		}
		document["Code"], document["Type"], document["LastUpdated"] = "Success", "AWS-HMAC", time.Now().UTC().Format(time.RFC3339)
		_ = json.NewEncoder(w).Encode(document)
	})
	return httptest.NewServer(mux)
}
