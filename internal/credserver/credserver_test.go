package credserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	token = "a-token-of-some-length"
	uid   = "3f1f5c3e-5d0b-4a6e-9d3a-0c2f0c1a2b3c"
)

// process returns a credentials.json that is valid for an hour.
func process(id string) string {
	return fmt.Sprintf(`{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"SECRET-%s","SessionToken":"SESSION-%s","Expiration":"%s"}`,
		id, id, id, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}

// mounted is a directory with the layout of a mounted Secret.
type mounted struct {
	t       testing.TB
	path    string
	version int
}

func mount(tb testing.TB, id string) *mounted {
	tb.Helper()
	m := &mounted{t: tb, path: tb.TempDir()}
	m.put(map[string]string{credentialsFile: process(id), tokenFile: token})
	return m
}

// put replaces the files as the kubelet does: it writes a new directory and then replaces the link.
func (m *mounted) put(files map[string]string) {
	m.t.Helper()
	m.version++
	name := fmt.Sprintf("..2026_%d", m.version)
	require.NoError(m.t, os.Mkdir(filepath.Join(m.path, name), 0o700))
	for file, text := range files {
		require.NoError(m.t, os.WriteFile(filepath.Join(m.path, name, file), []byte(text), 0o600))
		_ = os.Symlink(filepath.Join(dataLink, file), filepath.Join(m.path, file)) // it may exist already
	}
	old, _ := os.Readlink(filepath.Join(m.path, dataLink))
	link := filepath.Join(m.path, "..data_tmp")
	require.NoError(m.t, os.Symlink(name, link))
	require.NoError(m.t, os.Rename(link, filepath.Join(m.path, dataLink)))
	if old != "" {
		require.NoError(m.t, os.RemoveAll(filepath.Join(m.path, old)))
	}
}

// send sends a request and returns the status and the JSON of the response.
func send(t *testing.T, h http.Handler, change func(*http.Request)) (int, map[string]string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9911"+CredentialsPath, http.NoBody)
	r.Header.Set("Authorization", token)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	var answer map[string]string
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	return w.Code, answer
}

func TestResponseHasFieldsOfContainerProvider(t *testing.T) {
	status, answer := send(t, NewStore(mount(t, "A").path, uid).Handler(), nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "A", answer["AccessKeyId"])
	assert.Equal(t, "SECRET-A", answer["SecretAccessKey"])
	assert.Equal(t, "SESSION-A", answer["Token"])
	_, err := time.Parse(time.RFC3339, answer["Expiration"])
	require.NoError(t, err)
	assert.Len(t, answer, 4)
}

func TestSDKRetrievesCredentials(t *testing.T) {
	server := httptest.NewServer(NewStore(mount(t, "A").path, uid).Handler())
	defer server.Close()
	provider := endpointcreds.New(server.URL+CredentialsPath, func(o *endpointcreds.Options) { o.AuthorizationToken = token })
	got, err := provider.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "SESSION-A", got.SessionToken)
	assert.True(t, got.CanExpire)

	wrong := endpointcreds.New(server.URL+CredentialsPath, func(o *endpointcreds.Options) { o.AuthorizationToken = "wrong" })
	_, err = wrong.Retrieve(t.Context())
	assert.ErrorContains(t, err, "neither the pod's UID nor the Secret's authorization-token")
}

func TestInvalidRequestsAreRefused(t *testing.T) {
	h := NewStore(mount(t, "A").path, uid).Handler()
	for title, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   string
	}{
		"no token":                {func(r *http.Request) { r.Header.Del("Authorization") }, 401, "MissingAuthorization"},
		"an empty token":          {func(r *http.Request) { r.Header.Set("Authorization", "") }, 401, "MissingAuthorization"},
		"another token":           {func(r *http.Request) { r.Header.Set("Authorization", "x") }, 403, "AccessDenied"},
		"a prefix of the token":   {func(r *http.Request) { r.Header.Set("Authorization", token[:5]) }, 403, "AccessDenied"},
		"the token with a suffix": {func(r *http.Request) { r.Header.Set("Authorization", token+"x") }, 403, "AccessDenied"},
		"a prefix of the UID":     {func(r *http.Request) { r.Header.Set("Authorization", uid[:8]) }, 403, "AccessDenied"},
		"the UID with a suffix":   {func(r *http.Request) { r.Header.Set("Authorization", uid+"x") }, 403, "AccessDenied"},
		"a rebound name":          {func(r *http.Request) { r.Host = "rebound.example:9911" }, 403, "HostNotAllowed"},
		"another address":         {func(r *http.Request) { r.Host = "10.0.0.1:9911" }, 403, "HostNotAllowed"},
		"no host":                 {func(r *http.Request) { r.Host = "" }, 403, "HostNotAllowed"},
		"a loopback-like name":    {func(r *http.Request) { r.Host = "127.0.0.1.example" }, 403, "HostNotAllowed"},
		"another path":            {func(r *http.Request) { r.URL.Path = "/" }, 404, "NotFound"},
		"another method":          {func(r *http.Request) { r.Method = http.MethodPost }, 405, "MethodNotAllowed"},
	} {
		t.Run(title, func(t *testing.T) {
			status, answer := send(t, h, c.change)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.code, answer["Code"])
			assert.NotEmpty(t, answer["Message"])
			assert.Len(t, answer, 2)
		})
	}
	for _, host := range []string{"localhost:9911", "127.0.0.1", "[::1]:9911", "[::1]", "127.9.9.9:1"} {
		status, _ := send(t, h, func(r *http.Request) { r.Host = host })
		assert.Equal(t, http.StatusOK, status, host)
	}
}

func TestInvalidFilesAreUnavailable(t *testing.T) {
	expired := strings.Replace(process("A"), time.Now().UTC().Format("2006"), "2001", 1)
	for title, c := range map[string]struct {
		files   map[string]string
		message string
	}{
		"no files":            {map[string]string{}, "credentials.json cannot be read"},
		"a truncated file":    {map[string]string{credentialsFile: process("A")[:60], tokenFile: token}, "does not hold"},
		"no key":              {map[string]string{credentialsFile: strings.Replace(process("A"), "SECRET-A", "", 1), tokenFile: token}, "does not hold"},
		"no expiration":       {map[string]string{credentialsFile: strings.Replace(process("A"), "Expiration", "Expires", 1), tokenFile: token}, "does not hold"},
		"an oversized file":   {map[string]string{credentialsFile: process("A") + strings.Repeat(" ", maxFile), tokenFile: token}, "too long"},
		"expired credentials": {map[string]string{credentialsFile: expired, tokenFile: token}, "have expired"},
	} {
		t.Run(title, func(t *testing.T) {
			m := &mounted{t: t, path: t.TempDir()}
			m.put(c.files)
			h := NewStore(m.path, uid).Handler()
			status, answer := send(t, h, nil)
			assert.Equal(t, http.StatusServiceUnavailable, status)
			assert.Contains(t, answer["Message"], c.message)
			assert.NotContains(t, fmt.Sprint(answer), "SECRET")
			status, _ = send(t, h, func(r *http.Request) { r.URL.Path = ReadyPath })
			assert.Equal(t, http.StatusServiceUnavailable, status)
		})
	}
}

// status returns the status of a request with an Authorization header.
func status(t *testing.T, h http.Handler, authorization string) int {
	t.Helper()
	code, _ := send(t, h, func(r *http.Request) { r.Header.Set("Authorization", authorization) })
	return code
}

func TestPodUIDIsAcceptedAfterSecretChanges(t *testing.T) {
	m := mount(t, "A")
	h := NewStore(m.path, uid).Handler()
	assert.Equal(t, http.StatusOK, status(t, h, uid))
	assert.Equal(t, http.StatusOK, status(t, h, token), "containers of older pods send the token")

	m.put(map[string]string{credentialsFile: process("B"), tokenFile: "another token"})
	assert.Equal(t, http.StatusOK, status(t, h, uid), "the Secret was replaced")
	assert.Equal(t, http.StatusForbidden, status(t, h, token))
	assert.Equal(t, http.StatusOK, status(t, NewStore(m.path, uid).Handler(), uid), "the sidecar was restarted")

	m.put(map[string]string{credentialsFile: process("C")})
	for _, h := range []http.Handler{h, NewStore(m.path, uid).Handler()} {
		assert.Equal(t, http.StatusOK, status(t, h, uid), "the token was removed from the Secret")
		assert.Equal(t, http.StatusForbidden, status(t, h, "another token"))
	}
	require.NoError(t, os.RemoveAll(m.path))
	assert.Equal(t, http.StatusOK, status(t, h, uid), "the files are gone")
}

func TestTokenIsRequiredWithoutPodUID(t *testing.T) {
	m := mount(t, "A")
	h := NewStore(m.path, "").Handler()
	assert.Equal(t, http.StatusOK, status(t, h, token))
	assert.Equal(t, http.StatusForbidden, status(t, h, uid))
	for title, files := range map[string]map[string]string{
		"no token":       {credentialsFile: process("A")},
		"an empty token": {credentialsFile: process("A"), tokenFile: "\n"},
	} {
		m.put(files)
		code, answer := send(t, NewStore(m.path, "").Handler(), nil)
		assert.Equal(t, http.StatusServiceUnavailable, code, title)
		assert.Contains(t, answer["Message"], "authorization-token is missing or empty", title)
	}
}

func TestNewlineAfterTokenIsIgnored(t *testing.T) {
	m := &mounted{t: t, path: t.TempDir()}
	m.put(map[string]string{credentialsFile: process("A"), tokenFile: token + "\n"})
	status, _ := send(t, NewStore(m.path, uid).Handler(), nil)
	assert.Equal(t, http.StatusOK, status)
}

func TestReadyOnceSecretIsMounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later")
	h := NewStore(path, uid).Handler()
	ready := func(r *http.Request) { r.URL.Path = ReadyPath; r.Header.Del("Authorization") }
	status, answer := send(t, h, ready)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, answer["Message"], "yet")
	require.NoError(t, os.Mkdir(path, 0o700))
	(&mounted{t: t, path: path}).put(map[string]string{credentialsFile: process("A"), tokenFile: token})
	status, _ = send(t, h, ready)
	assert.Equal(t, http.StatusOK, status)
}

func TestPreviousCredentialsAreServedWhileValid(t *testing.T) {
	m := mount(t, "A")
	s := NewStore(m.path, uid)
	now := time.Now()
	first, err := s.get(now)
	require.NoError(t, err)
	m.put(map[string]string{credentialsFile: "half", tokenFile: token})
	same, err := s.get(now)
	require.NoError(t, err)
	assert.Same(t, first, same)
	m.put(map[string]string{credentialsFile: process("B"), tokenFile: token})
	next, err := s.get(now.Add(retryAfter))
	require.NoError(t, err)
	assert.Contains(t, string(next.answer), "SESSION-B")
	m.put(map[string]string{credentialsFile: "half", tokenFile: token})
	_, err = s.get(now.Add(2 * time.Hour))
	require.ErrorContains(t, err, "does not hold", "the error is that of the newer version")
}

func TestFilesWithoutLinkAreReloaded(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, tokenFile), []byte(token), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, credentialsFile), []byte(process("A")), 0o600))
	h := NewStore(dir, uid).Handler()
	_, answer := send(t, h, nil)
	assert.Equal(t, "A", answer["AccessKeyId"])
	require.NoError(t, os.WriteFile(filepath.Join(dir, credentialsFile), []byte(process("B")), 0o600))
	require.NoError(t, os.Chtimes(filepath.Join(dir, credentialsFile), time.Now(), time.Now().Add(time.Second)))
	_, answer = send(t, h, nil)
	assert.Equal(t, "B", answer["AccessKeyId"])
}

// TestRequestsSucceedDuringReplacement checks that no response mixes the fields of two
// versions.
func TestRequestsSucceedDuringReplacement(t *testing.T) {
	m := mount(t, "V0")
	h := NewStore(m.path, uid).Handler()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				status, answer := send(t, h, nil)
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "SECRET-"+answer["AccessKeyId"], answer["SecretAccessKey"])
				assert.Equal(t, "SESSION-"+answer["AccessKeyId"], answer["Token"])
			}
		})
	}
	for i := range 200 {
		m.put(map[string]string{credentialsFile: process(fmt.Sprintf("V%d", i+1)), tokenFile: token})
	}
	cancel()
	clients.Wait()
	time.Sleep(retryAfter)
	_, answer := send(t, h, nil)
	assert.Equal(t, "V200", answer["AccessKeyId"])
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(process("A")), []byte(token))
	f.Add([]byte(`{}`), []byte("\n"))
	f.Fuzz(func(t *testing.T, text, token []byte) {
		c, err := parse(text, token)
		if err != nil {
			require.Nil(t, c)
			return
		}
		require.True(t, json.Valid(c.answer))
		require.False(t, c.expires.IsZero())
	})
}

func TestAnEmptyTokenIsNobodys(t *testing.T) {
	assert.False(t, NewStore("", "").accepts(nil, &Credentials{token: []byte(token)}), "no UID")
	assert.False(t, NewStore("", uid).accepts(nil, &Credentials{}), "no token")
}

func TestWhatFailedIsReadAgainAfterAWhile(t *testing.T) {
	m := mount(t, "A")
	m.put(map[string]string{credentialsFile: "half", tokenFile: token})
	s := NewStore(m.path, uid)
	now := time.Now()
	_, err := s.get(now)
	require.ErrorContains(t, err, "does not hold")
	m.put(map[string]string{credentialsFile: process("A"), tokenFile: token})
	_, err = s.get(now.Add(retryAfter - 1))
	require.ErrorContains(t, err, "does not hold", "requests do not read files that cannot be used each time")
	_, err = s.get(now.Add(retryAfter))
	require.NoError(t, err)
}

func TestCredentialsAreComplete(t *testing.T) {
	for _, value := range []string{"A", "SECRET-A", "SESSION-A"} {
		_, err := parse([]byte(strings.Replace(process("A"), `"`+value+`"`, `""`, 1)), nil)
		assert.ErrorContains(t, err, "does not hold", value)
	}
}

func TestTheExpirationIsInUTC(t *testing.T) {
	const text = `{"AccessKeyId":"A","SecretAccessKey":"B","SessionToken":"C","Expiration":"2030-01-02T03:04:05+02:00"}`
	c, err := parse([]byte(text), nil)
	require.NoError(t, err)
	assert.Contains(t, string(c.answer), `"Expiration":"2030-01-02T01:04:05Z"`)
}

func TestNoBrowserGuessesTheContentType(t *testing.T) {
	h := NewStore(mount(t, "A").path, uid).Handler()
	for _, path := range []string{CredentialsPath, ReadyPath, "/"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9911"+path, http.NoBody))
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), path)
	}
}
