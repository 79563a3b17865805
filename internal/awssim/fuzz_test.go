package awssim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzPolicies(f *testing.F) {
	for _, seed := range []string{serviceTrust, harmless, trust(`{"AWS":["*"]}`), `{"Statement":{"Condition":{"Null":{"a":null}}}}`, `[]`, `{"Statement":[null]}`} {
		f.Add(seed, "${a}", "a")
	}
	f.Fuzz(func(t *testing.T, text, value, key string) {
		s := New(Options{})
		q := &request{Sim: s, now: time.Now(), form: parseForm([]byte(value)), caller: &principal{account: home, id: "AROAX"}}
		if d, failure := q.parseTrust(text); failure == nil {
			d.trusts(q.caller, "sts:AssumeRole", facts{key: {value}})
			assert.NotEmpty(t, q.shown(d))
		}
		if d, failure := parseIdentityPolicy(text); failure == nil {
			evaluate([]*document{d}, "iam:GetRole", value, facts{key: {value}})
		}
		(&statement{}).substitute([]string{text, value}, facts{key: {value}})
	})
}

func FuzzRequests(f *testing.F) {
	f.Add("Action=CreateRole&Version=2010-05-08&RoleName=app&Tags.member.1.Key=a&Marker=1", "AWS4-HMAC-SHA256 Credential=a/20300102/r/sts/aws4_request, SignedHeaders=host, Signature=x")
	f.Add("Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/app&RoleSessionName=xx&DurationSeconds=900", "")
	f.Fuzz(func(t *testing.T, body, header string) {
		s := New(Options{})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Authorization", header)
		s.ServeHTTP(httptest.NewRecorder(), r)
		// The same request, without authentication.
		q := &request{Sim: s, form: parseForm([]byte(body)), now: time.Now()}
		_, err := s.AddUser(home, "admin", true)
		require.NoError(t, err)
		q.caller = &principal{account: home, userName: "admin"}
		q.action = q.form.get("Action")
		if do := services()[q.form.get("Version")][q.action]; do != nil {
			_, _ = do(q)
		}
	})
}
