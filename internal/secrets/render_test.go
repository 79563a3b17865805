package secrets

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

// wantData is the data of a Secret, without the authorization token.
var wantData = map[string]string{
	"role-arn": "arn:aws:iam::123456789012:role/app",
	"expire":   "2030-01-02T03:04:05Z",
	"credentials": "[default]\naws_access_key_id = ASIAEXAMPLE\naws_secret_access_key = key+/secret\n" +
		"aws_session_token = token//session==\naws_expiration = 2030-01-02T03:04:05Z\n",
	"credentials.process": "[default]\ncredential_process = cat /meta/aws-iam/credentials.json\n",
	"credentials.json": `{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"key+/secret",` +
		`"SessionToken":"token//session==","Expiration":"2030-01-02T03:04:05Z"}`,
}

func texts(data map[string][]byte) map[string]string {
	out := map[string]string{}
	for key, value := range data {
		out[key] = string(value)
	}
	return out
}

func TestRender(t *testing.T) {
	data, err := render(desired(identity.ServiceAccount), creds)
	require.NoError(t, err)
	assert.Equal(t, wantData, texts(data))

	data, err = render(desired(identity.AWSIAMRole), creds)
	require.NoError(t, err)
	got := texts(data)
	assert.Equal(t, "7", got["awsiamrole-generation"])
	delete(got, "awsiamrole-generation")
	assert.Equal(t, wantData, got)
}

func TestKeysOfBothSources(t *testing.T) {
	w := newWorld(t)
	account := w.stored(t, desired(identity.ServiceAccount)).Data
	token := account["authorization-token"]
	delete(account, "authorization-token")
	assert.Equal(t, wantData, texts(account))
	assert.Regexp(t, `^[A-Za-z0-9_-]+$`, string(token))

	role := texts(w.stored(t, desired(identity.AWSIAMRole)).Data)
	delete(role, "awsiamrole-generation")
	assert.Equal(t, wantData, role)
}

func TestDataKeysMatchRender(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			var written []string
			for key := range newWorld(t).stored(t, desired(source)).Data {
				written = append(written, key)
			}
			assert.ElementsMatch(t, written, dataKeys(source))
		})
	}
	_ = append(dataKeys(identity.AWSIAMRole), "x")
	assert.Len(t, commonKeys, 5)
}

func TestExpirationIsInUTCAndWholeSeconds(t *testing.T) {
	elsewhere := creds
	elsewhere.Expiration = now.Add(time.Millisecond).In(time.FixedZone("", 3600))
	data, err := render(desired(identity.ServiceAccount), elsewhere)
	require.NoError(t, err)
	assert.Equal(t, wantData, texts(data))
	assert.Equal(t, "2030-01-02T03:04:05Z", annotations(desired(identity.ServiceAccount), elsewhere)["iam.amazonaws.com/expiration"])
}

func TestCredentialsJSONIsEscaped(t *testing.T) {
	odd := creds
	odd.SessionToken, odd.SecretAccessKey = "a\"\\\n<&>", "\xff"
	data, err := render(desired(identity.ServiceAccount), odd)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(data["credentials.json"], &got))
	assert.Equal(t, "a\"\\\n<&>", got["SessionToken"])
}

func TestAnnotations(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			want := desired(source)
			assert.Equal(t, map[string]string{
				"iam.amazonaws.com/role-arn":         "arn:aws:iam::123456789012:role/app",
				"iam.amazonaws.com/expiration":       "2030-01-02T03:04:05Z",
				"iam.amazonaws.com/external-id":      "ns/cluster",
				"iam.amazonaws.com/spec-hash":        want.SpecHash(),
				"iam.amazonaws.com/session-duration": "3600",
			}, annotations(want, creds))
		})
	}
}

func TestSessionDurationIsThatOfTheCredentials(t *testing.T) {
	shorter := creds
	shorter.Issued = now.Add(-30*time.Minute + 400*time.Millisecond) // our clock is finer than STS's
	assert.Equal(t, "1800", annotations(desired(identity.ServiceAccount), shorter)["iam.amazonaws.com/session-duration"])
}

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		token := newToken()
		raw, err := base64.RawURLEncoding.DecodeString(string(token))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, len(raw), 32)
		assert.Regexp(t, wellFormedToken, string(token))
		seen[string(token)] = true
	}
	assert.Len(t, seen, 100)
}

func TestWellFormedToken(t *testing.T) {
	const token = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN_-0"
	for value, want := range map[string]bool{
		token: true, token + token: true, token[1:]: false, "": false, token + "\n": false, token + "=": false,
		"+" + token[1:]: false, token + token + token: false,
	} {
		assert.Equal(t, want, wellFormedToken.MatchString(value), "%q", value)
	}
}
