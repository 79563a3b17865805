package sts

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sentinel is part of every secret that fakeSTS returns.
const sentinel = "hunter2"

const (
	whoAnswer = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
		`<Arn>arn:aws:iam::` + home + `:user/app</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`
	keyID      = `<AccessKeyId>ASIA` + sentinel + `</AccessKeyId>`
	secretKey  = `<SecretAccessKey>s` + sentinel + `</SecretAccessKey>`
	token      = `<SessionToken>t` + sentinel + `</SessionToken>`
	expiration = `<Expiration>2030-01-02T03:04:05Z</Expiration>`
)

func assumeAnswer(credentials string) string {
	return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>` + credentials + `</AssumeRoleResult></AssumeRoleResponse>`
}

func issued(fields ...string) string {
	return assumeAnswer("<Credentials>" + strings.Join(fields, "") + "</Credentials>")
}

// fakeSTS returns valid or malformed responses of STS.
type fakeSTS struct{ who, assume http.HandlerFunc }

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (i *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	switch {
	case form.Get("Action") == "AssumeRole":
		i.assume(w, r)
	case i.who != nil:
		i.who(w, r)
	default:
		answer(http.StatusOK, whoAnswer)(w, r)
	}
}

func (i *fakeSTS) assumer(t *testing.T) *Assumer {
	t.Helper()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	a, err := New(configFor(server.URL, aws.Credentials{AccessKeyID: "AKIA" + sentinel, SecretAccessKey: sentinel, SessionToken: sentinel}), withQPS(Options{}))
	require.NoError(t, err)
	return a
}

// requireHarmless requires that an error contains no secrets.
func requireHarmless(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err)} {
		assert.NotContains(t, text, sentinel)
	}
	assert.NotContains(t, strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\n'
		}
		return r
	}, err.Error()), "\n", "one line")
	assert.Less(t, len(err.Error()), 900, "an event holds 1,024 bytes")
}

func TestMalformedResponsesAreNotQuoted(t *testing.T) {
	refusal := func(code, message string) string {
		return `<ErrorResponse><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message + `</Message></Error><RequestId>r</RequestId></ErrorResponse>`
	}
	tests := map[string]struct {
		answer  http.HandlerFunc
		wantErr string
	}{
		"nothing":              {answer(http.StatusOK, ""), "without credentials"},
		"no content":           {answer(http.StatusNoContent, ""), "without credentials"},
		"no credentials":       {answer(http.StatusOK, assumeAnswer("")), "without credentials"},
		"empty credentials":    {answer(http.StatusOK, issued()), "without credentials"},
		"no access key":        {answer(http.StatusOK, issued(secretKey, token, expiration)), "without credentials"},
		"no secret":            {answer(http.StatusOK, issued(keyID, token, expiration)), "without credentials"},
		"no token":             {answer(http.StatusOK, issued(keyID, secretKey, expiration)), "without credentials"},
		"an empty token":       {answer(http.StatusOK, issued(keyID, secretKey, "<SessionToken></SessionToken>", expiration)), "without credentials"},
		"no expiration":        {answer(http.StatusOK, issued(keyID, secretKey, token)), "without credentials"},
		"an odd expiration":    {answer(http.StatusOK, issued(keyID, secretKey, token, "<Expiration>tomorrow</Expiration>")), "deserialization failed"},
		"an odd number":        {answer(http.StatusOK, assumeAnswer("<Credentials>"+keyID+secretKey+token+expiration+"</Credentials><PackedPolicySize>much</PackedPolicySize>")), "deserialization failed"},
		"cut in a secret":      {answer(http.StatusOK, strings.Split(issued(keyID, secretKey, token), "</SecretAccessKey>")[0]), "deserialization failed"},
		"tags crossed":         {answer(http.StatusOK, issued(keyID, "<SecretAccessKey>"+sentinel+"</SessionToken>")), "deserialization failed"},
		"JSON":                 {answer(http.StatusOK, `{"Credentials":{"SecretAccessKey":"`+sentinel+`"}}`), ""},
		"a web page":           {answer(http.StatusOK, "<!DOCTYPE html><html><body>Log in, "+sentinel+"<br></body></html>"), ""},
		"bytes":                {answer(http.StatusOK, "\x00\xff\xfe"+sentinel), ""},
		"a megabyte of them":   {answer(http.StatusOK, strings.Repeat("\x00"+sentinel, 1<<17)), ""},
		"deep nesting":         {answer(http.StatusOK, strings.Repeat("<a>", 100_000)), ""},
		"a refusal in pages":   {answer(http.StatusForbidden, "<html>"+sentinel+"</html>"), ""},
		"an empty refusal":     {answer(http.StatusForbidden, ""), ""},
		"a refusal of bytes":   {answer(http.StatusBadGateway, "\x00\xff\xfe"+sentinel), ""},
		"a refusal of lines":   {answer(http.StatusForbidden, refusal("AccessDenied", "first\nsecond\x7f\rthird")), "(first second  third)"},
		"a megabyte's refusal": {answer(http.StatusForbidden, refusal("AccessDenied", strings.Repeat("ä", 1<<19))), ""},
		// The transport may reject this much, so the message is not checked.
		"a code of a megabyte": {answer(http.StatusForbidden, refusal(strings.Repeat("A\n", 1<<19), "no")), ""},
		"a code of lines":      {answer(http.StatusForbidden, refusal(strings.Repeat("A\n", 1<<9), "no")), "A A A"},
		"a way elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/?token="+sentinel, http.StatusSeeOther)
		}, ""},
		"an end without an answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
		"half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			_, _ = io.WriteString(w, issued(keyID, secretKey, token)[:250])
		}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			creds, err := (&fakeSTS{assume: tc.answer}).assumer(t).Assume(t.Context(), wanting(t, "app"))
			requireHarmless(t, err)
			require.ErrorContains(t, err, tc.wantErr)
			assert.Zero(t, creds)
		})
	}
}

func TestTruncatedResponsesYieldNoCredentials(t *testing.T) {
	whole := issued(keyID, secretKey, token, expiration)
	var cut atomic.Int32
	i := &fakeSTS{assume: func(w http.ResponseWriter, r *http.Request) { answer(http.StatusOK, whole[:cut.Load()])(w, r) }}
	made := 0
	for n := range len(whole) + 1 {
		cut.Store(int32(n))
		creds, err := i.assumer(t).Assume(t.Context(), wanting(t, "app"))
		if err != nil {
			requireHarmless(t, err)
			continue
		}
		made++
		assert.Equal(t, "t"+sentinel, creds.SessionToken.Reveal())
		assert.Equal(t, time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), creds.Expiration)
	}
	assert.Positive(t, made)
}

func TestAdditionalElementsAreIgnored(t *testing.T) {
	i := &fakeSTS{assume: answer(http.StatusOK, issued("<More>1</More>", keyID, secretKey, token, expiration))}
	creds, err := i.assumer(t).Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)
	assert.Equal(t, "s"+sentinel, creds.SecretAccessKey.Reveal())
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", creds, creds, creds), sentinel)
}

func TestMalformedCallerIdentityIsNotCached(t *testing.T) {
	who := func(arn string) string {
		return strings.Replace(whoAnswer, "arn:aws:iam::"+home+":user/app", arn, 1)
	}
	for name, nonsense := range map[string]string{
		"nothing":      "",
		"no ARN":       who(""),
		"half an ARN":  who("arn:aws:sts"),
		"a long ARN":   who(strings.Repeat("x", 1<<20)),
		"a web page":   "<html>" + sentinel + "</html>",
		"an open end":  whoAnswer[:150],
		"bytes in one": who("\x01"),
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			i := &fakeSTS{
				who: func(w http.ResponseWriter, r *http.Request) {
					if asked.Add(1) == 1 {
						answer(http.StatusOK, nonsense)(w, r)
						return
					}
					answer(http.StatusOK, whoAnswer)(w, r)
				},
				assume: answer(http.StatusOK, issued(keyID, secretKey, token, expiration)),
			}
			a := i.assumer(t)
			_, err := a.Assume(t.Context(), wanting(t, "app"))
			requireHarmless(t, err)
			require.ErrorContains(t, err, "ask AWS who the controller is: ")
			_, err = a.Assume(t.Context(), wanting(t, "app"))
			require.NoError(t, err)
			assert.Equal(t, int32(2), asked.Load())
		})
	}
}

func TestInvalidAccountIsNotCached(t *testing.T) {
	for _, arn := range []string{"arn:aws:iam:::user/app", "arn::iam::" + home + ":user/app"} {
		var asked atomic.Int32
		i := &fakeSTS{
			who: func(w http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					answer(http.StatusOK, strings.Replace(whoAnswer, "arn:aws:iam::"+home+":user/app", arn, 1))(w, r)
					return
				}
				answer(http.StatusOK, whoAnswer)(w, r)
			},
			assume: answer(http.StatusOK, issued(keyID, secretKey, token, expiration)),
		}
		a := i.assumer(t)
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		requireHarmless(t, err)
		_, err = a.Assume(t.Context(), wanting(t, "app"))
		require.NoError(t, err)
	}
}

func TestNoticeIfTheClockIsAhead(t *testing.T) {
	i := &fakeSTS{assume: answer(http.StatusOK, issued(keyID, secretKey, token, "<Expiration>2020-01-02T03:04:05Z</Expiration>"))}
	creds, err := i.assumer(t).Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)
	assert.Contains(t, creds.Notice, "expired at 2020-01-02T03:04:05Z, but the clock of the controller's node says ")
	assert.NotContains(t, creds.Notice, sentinel)
}

func TestNoticeIfTheClockIsBehind(t *testing.T) {
	later := time.Now().Add(3 * time.Hour).UTC().Format(time.RFC3339)
	i := &fakeSTS{assume: answer(http.StatusOK, issued(keyID, secretKey, token, "<Expiration>"+later+"</Expiration>"))}
	creds, err := i.assumer(t).Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)
	assert.Regexp(t, `By the clock of the controller's node, the new credentials last (2h59m\d+s|3h0m0s), but 1h0m0s was requested: synchronize it`, creds.Notice)
}
