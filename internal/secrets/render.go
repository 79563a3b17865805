package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// commonKeys are the keys of every Secret's data.
var commonKeys = []string{api.RoleARNKey, api.ExpireKey, api.CredentialsKey, api.CredentialsProcessKey, api.CredentialsJSONKey}

// dataKeys returns all keys of a source's Secrets.
func dataKeys(source identity.Source) []string {
	if source == identity.ServiceAccount {
		return append(slices.Clone(commonKeys), api.AuthorizationTokenKey)
	}
	return append(slices.Clone(commonKeys), api.GenerationKey)
}

// processFile makes SDKs read credentials.json again whenever their credentials
// expire:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html.
const processFile = "[default]\ncredential_process = cat /meta/aws-iam/credentials.json\n"

// processJSON is the output format of a credential_process.
type processJSON struct {
	Version         int    `json:"Version"`
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string `json:"SecretAccessKey"`
	SessionToken    string `json:"SessionToken"`
	Expiration      string `json:"Expiration"`
}

// render returns the data of want's Secret without the authorization token.
func render(want identity.Desired, creds identity.Credentials) (map[string][]byte, error) {
	id, key, token := creds.AccessKeyID.Reveal(), creds.SecretAccessKey.Reveal(), creds.SessionToken.Reveal()
	expire := creds.Expiration.UTC().Format(time.RFC3339)
	document, err := json.Marshal(processJSON{
		Version: 1, AccessKeyID: id, SecretAccessKey: key, SessionToken: token, Expiration: expire,
	})
	if err != nil {
		return nil, fmt.Errorf("render credentials: %w", err)
	}
	file := "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = " + key +
		"\naws_session_token = " + token + "\naws_expiration = " + expire + "\n"
	data := map[string][]byte{
		api.RoleARNKey:            []byte(creds.RoleARN),
		api.ExpireKey:             []byte(expire),
		api.CredentialsKey:        []byte(file),
		api.CredentialsProcessKey: []byte(processFile),
		api.CredentialsJSONKey:    document,
	}
	if want.Source == identity.AWSIAMRole {
		data[api.GenerationKey] = strconv.AppendInt(nil, want.Generation, 10)
	}
	return data, nil
}

// annotations returns the annotations that describe the credentials.
func annotations(want identity.Desired, creds identity.Credentials) map[string]string {
	session := creds.Expiration.Sub(creds.Issued).Round(time.Second)
	annotations := map[string]string{
		api.RoleARNAnnotation:         creds.RoleARN,
		api.ExpirationAnnotation:      creds.Expiration.UTC().Format(time.RFC3339),
		api.ExternalIDAnnotation:      want.ExternalID,
		api.SpecHashAnnotation:        want.SpecHash(),
		api.SessionDurationAnnotation: strconv.FormatInt(int64(session/time.Second), 10),
	}
	if want.RoleID != "" {
		annotations[api.RoleIDAnnotation] = want.RoleID
	}
	if used := want.RoleUsed.String(); used != "" {
		annotations[api.RoleLastUsedAnnotation] = used
	}
	if want.PolicyHash != "" {
		annotations[api.PolicyHashAnnotation] = want.PolicyHash
	}
	if !want.Proven.IsZero() {
		annotations[api.ExternalIDProvenAnnotation] = want.Proven.UTC().Format(time.RFC3339)
	}
	if want.SessionPolicy != "" {
		annotations[api.SessionPolicyAnnotation] = want.SessionPolicy
	}
	return annotations
}

const tokenBytes = 32

var wellFormedToken = regexp.MustCompile(`^[A-Za-z0-9_-]{43,128}$`)

// newToken returns a random token for the credentials endpoint, without a trailing
// newline because some SDKs reject headers with one.
func newToken() []byte {
	token := make([]byte, tokenBytes)
	_, _ = rand.Read(token) // never fails, see crypto/rand
	return base64.RawURLEncoding.AppendEncode(nil, token)
}
