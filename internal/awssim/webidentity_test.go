package awssim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// issuer is an OpenID Connect issuer over HTTPS, with what its clients need to trust it.
type issuer struct {
	*httptest.Server

	t   *testing.T
	key *ecdsa.PrivateKey
	// named is what the discovery document says of itself.
	named string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := &issuer{t: t, key: key}
	mux := http.NewServeMux()
	i.Server = httptest.NewTLSServer(mux)
	t.Cleanup(i.Close)
	i.named = i.URL
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.named, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	return i
}

// claims returns those of a good token, with changes; nil takes one away.
func (i *issuer) claims(changes map[string]any) map[string]any {
	now := time.Now().Unix()
	all := map[string]any{"iss": i.URL, "sub": "system:serviceaccount:a:b", "aud": []string{"sts.amazonaws.com"}, "iat": now, "nbf": now, "exp": now + 600}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func (i *issuer) sign(key any, algorithm jose.SignatureAlgorithm, claims map[string]any) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	require.NoError(i.t, err)
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(i.t, err)
	return token
}

func (i *issuer) token(changes map[string]any) string {
	i.t.Helper()
	return i.sign(i.key, jose.ES256, i.claims(changes))
}

// federate registers an issuer in the home account and returns its provider's ARN.
func (w *world) federate(i *issuer) string {
	w.t.Helper()
	arn, err := w.AddOIDCProvider(OIDCProvider{Account: home, URL: i.URL, ClientIDs: []string{"sts.amazonaws.com"}, Client: i.Client()})
	require.NoError(w.t, err)
	return arn
}

func (w *world) exchange(token, arn string, change ...func(*sts.AssumeRoleWithWebIdentityInput)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	in := &sts.AssumeRoleWithWebIdentityInput{RoleArn: &arn, RoleSessionName: new("session"), WebIdentityToken: &token}
	for _, c := range change {
		c(in)
	}
	return sts.New(sts.Options{Region: "eu-central-1", BaseEndpoint: new(w.URL()), RetryMaxAttempts: 1}).AssumeRoleWithWebIdentity(w.t.Context(), in)
}

// webTrust is a trust policy for the bearer of a token whose conditions are JSON without braces.
func webTrust(provider, conditions string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{` + conditions + `}}}]}`
}

func subjectAndAudience(i *issuer) string {
	host := i.URL[len("https://"):]
	return `"` + host + `:sub":"system:serviceaccount:a:b","` + host + `:aud":"sts.amazonaws.com"`
}

func TestWebIdentityIssuesASessionThatChains(t *testing.T) {
	w, i := newWorld(t, Options{}), newIssuer(t)
	arn := w.add(RoleSpec{Path: "/p/", Name: "app", Trust: webTrust(w.federate(i), subjectAndAudience(i)), MaxSessionDuration: 7200})
	next := w.add(RoleSpec{Name: "next", Trust: trust(`{"AWS":"` + arn + `"}`), MaxSessionDuration: 7200})
	token := i.token(nil)
	out, err := w.exchange(token, arn, func(in *sts.AssumeRoleWithWebIdentityInput) { in.DurationSeconds = new(int32(7200)) })
	require.NoError(t, err, "it is not chained, so that the role's own maximum is the limit")
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), *out.Credentials.Expiration, time.Minute)
	assert.Equal(t, "arn:aws:sts::"+home+":assumed-role/app/session", aws.ToString(out.AssumedRoleUser.Arn))
	assert.Equal(t, []string{"system:serviceaccount:a:b", "sts.amazonaws.com", i.URL},
		[]string{aws.ToString(out.SubjectFromWebIdentityToken), aws.ToString(out.Audience), aws.ToString(out.Provider)})
	assert.Contains(t, w.IssuedSecrets(), token)

	session := aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	_, err = w.assume(session, next)
	require.NoError(t, err)
	_, err = w.assume(session, next, func(in *sts.AssumeRoleInput) { in.DurationSeconds = new(int32(3601)) })
	refused(t, err, "ValidationError", "role chaining")
	for _, call := range w.Calls() {
		assert.NotContains(t, call.Params, "WebIdentityToken")
	}
}

func TestTokensAreVerified(t *testing.T) {
	w, i := newWorld(t, Options{}), newIssuer(t)
	arn := w.add(RoleSpec{Name: "app", Trust: webTrust(w.federate(i), subjectAndAudience(i))})
	stranger := newIssuer(t)
	now := time.Now().Unix()
	const noKey = "Couldn't retrieve verification key"
	for name, tc := range map[string]struct{ token, code, message string }{
		"no token":                  {"none of the kind", "InvalidIdentityToken", "not a valid JWT"},
		"a symmetric signature":     {i.sign(make([]byte, 32), jose.HS256, i.claims(nil)), "InvalidIdentityToken", "not a valid JWT"},
		"an unknown issuer":         {stranger.token(nil), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for " + stranger.URL},
		"another's signature":       {stranger.token(map[string]any{"iss": i.URL}), "InvalidIdentityToken", "could not be validated"},
		"a past expiration":         {i.token(map[string]any{"iat": now - 20, "nbf": now - 20, "exp": now - 1}), "ExpiredTokenException", "Token expired: current date/time"},
		"a later beginning":         {i.token(map[string]any{"nbf": now + 60}), "InvalidIdentityToken", "not valid yet"},
		"no subject":                {i.token(map[string]any{"sub": nil}), "InvalidIdentityToken", "Missing a required claim: sub"},
		"no expiration":             {i.token(map[string]any{"exp": nil}), "InvalidIdentityToken", "Missing a required claim: exp"},
		"no time of issue":          {i.token(map[string]any{"iat": nil}), "InvalidIdentityToken", "Missing a required claim: iat"},
		"no audience":               {i.token(map[string]any{"aud": nil}), "InvalidIdentityToken", "Missing a required claim: aud"},
		"another audience":          {i.token(map[string]any{"aud": "kubernetes"}), "InvalidIdentityToken", "Incorrect token audience"},
		"one audience among others": {i.token(map[string]any{"aud": []string{"sts.amazonaws.com", "x"}}), "InvalidIdentityToken", "Incorrect token audience"},
		"another subject":           {i.token(map[string]any{"sub": "system:serviceaccount:a:c"}), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"a good one":                {i.token(nil), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.exchange(tc.token, arn)
			if tc.code == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, tc.code, tc.message)
		})
	}
	i.named = "https://elsewhere.example.com"
	_, err := w.exchange(i.token(nil), arn)
	refused(t, err, "InvalidIdentityToken", noKey)
	i.named = i.URL
	_, err = w.AddOIDCProvider(OIDCProvider{Account: home, URL: i.URL, ClientIDs: []string{"sts.amazonaws.com"}})
	require.NoError(t, err)
	_, err = w.exchange(i.token(nil), arn)
	refused(t, err, "IDPCommunicationError", "")
}

func TestTrustPoliciesDecideOnTokens(t *testing.T) {
	w, i := newWorld(t, Options{}), newIssuer(t)
	provider := w.federate(i)
	same := subjectAndAudience(i)
	allow := webTrust(provider, same)
	deny := func(principal, condition string) string {
		return allow[:len(allow)-2] + `,{"Effect":"Deny","Principal":` + principal + `,"Action":"sts:*"` + condition + `}]}`
	}
	for name, tc := range map[string]struct {
		trust string
		want  bool
	}{
		"subject and audience":       {allow, true},
		"keys in another case":       {webTrust(provider, `"`+i.URL[len("https://"):]+`:SUB":"system:serviceaccount:a:b"`), true},
		"another provider":           {webTrust(provider+"/x", same), false},
		"another subject":            {webTrust(provider, `"`+i.URL[len("https://"):]+`:sub":"system:serviceaccount:a:*"`), false},
		"a claim of another issuer":  {webTrust(provider, `"other.example.com:sub":"system:serviceaccount:a:b"`), false},
		"everybody of AWS":           {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:*"}]}`, false},
		"sts:AssumeRole alone":       {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + provider + `"},"Action":"sts:AssumeRole"}]}`, false},
		"a denial for everybody":     {deny(`"*"`, ""), false},
		"a denial for the provider":  {deny(`{"Federated":"`+provider+`"}`, ""), false},
		"a denial that is not meant": {deny(`"*"`, `,"Condition":{"StringEquals":{"sts:RoleSessionName":"other"}}`), true},
	} {
		t.Run(name, func(t *testing.T) {
			arn := w.add(RoleSpec{Name: "app", Trust: tc.trust})
			_, err := w.exchange(i.token(nil), arn)
			if tc.want {
				require.NoError(t, err)
				return
			}
			refused(t, err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
		})
	}
	foreign := w.add(RoleSpec{Account: other, Name: "app", Trust: allow})
	_, err := w.exchange(i.token(nil), foreign)
	refused(t, err, "InvalidIdentityToken", "No OpenIDConnect provider found")
	_, err = w.AddRole(RoleSpec{Account: home, Name: "app", Trust: webTrust("arn:aws:iam::"+home+":oidc-provider/*", same)})
	require.ErrorContains(t, err, "MalformedPolicyDocument")
}

func TestProvidersAreValidated(t *testing.T) {
	w := newWorld(t, Options{})
	for name, spec := range map[string]OIDCProvider{
		"no https":             {URL: "http://example.com"},
		"a query":              {URL: "https://example.com?x=y"},
		"an empty client ID":   {URL: "https://example.com", ClientIDs: []string{""}},
		"too many client IDs":  {URL: "https://example.com", ClientIDs: make([]string, 101)},
		"a URL that is no URL": {URL: "example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			spec.Account = home
			_, err := w.AddOIDCProvider(spec)
			assert.Error(t, err)
		})
	}
}
