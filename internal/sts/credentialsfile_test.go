package sts

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

// mountedSecret is a directory laid out as the kubelet lays out a mounted Secret:
// an update replaces the symbolic link to the directory with all files.
type mountedSecret struct {
	t    *testing.T
	dir  string
	path string
	n    int
}

func mount(t *testing.T) *mountedSecret {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join("..data", "credentials.json"), filepath.Join(dir, "credentials.json")))
	return &mountedSecret{t: t, dir: dir, path: filepath.Join(dir, "credentials.json")}
}

// renew replaces the content and keeps the modification time, because an update may
// happen within the resolution of the clock.
func (m *mountedSecret) renew(content string) {
	m.t.Helper()
	m.n++
	name := ".." + strings.Repeat("i", m.n)
	require.NoError(m.t, os.Mkdir(filepath.Join(m.dir, name), 0o700))
	file := filepath.Join(m.dir, name, "credentials.json")
	require.NoError(m.t, os.WriteFile(file, []byte(content), 0o600))
	require.NoError(m.t, os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)))
	require.NoError(m.t, os.Symlink(name, filepath.Join(m.dir, "..data_tmp")))
	require.NoError(m.t, os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))
}

// overwrite changes the file in place, within the resolution of the modification
// time.
func (m *mountedSecret) overwrite(content string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(m.path, []byte(content), 0o600))
	require.NoError(m.t, os.Chtimes(m.path, time.Unix(1, 0), time.Unix(1, 0)))
}

// document returns credentials in the output format of a credential_process.
func document(creds aws.Credentials) string {
	expires := ""
	if creds.CanExpire {
		expires = `,"Expiration":"` + creds.Expires.UTC().Format(time.RFC3339) + `"`
	}
	return `{"Version":1,"AccessKeyId":"` + creds.AccessKeyID + `","SecretAccessKey":"` + creds.SecretAccessKey +
		`","SessionToken":"` + creds.SessionToken + `"` + expires + `}`
}

// credentialsNamed returns credentials that are distinguished by a letter and
// expire after lifetime, 0 for never.
func credentialsNamed(letter string, lifetime time.Duration) aws.Credentials {
	creds := aws.Credentials{
		AccessKeyID: "AKIA" + letter + sentinel, SecretAccessKey: letter + sentinel, SessionToken: letter + letter + sentinel, Source: "credentials file",
	}
	if lifetime != 0 {
		creds.CanExpire, creds.Expires = true, time.Now().Add(lifetime).UTC().Truncate(time.Second)
	}
	return creds
}

func TestFileIsReloadedWhenItsLinkChanges(t *testing.T) {
	m := mount(t)
	p := &fileProvider{path: m.path}
	for _, creds := range []aws.Credentials{credentialsNamed("a", time.Hour), credentialsNamed("b", time.Hour), credentialsNamed("c", 0), credentialsNamed("d", time.Minute)} {
		m.renew(document(creds))
		for range 2 {
			got, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			assert.Equal(t, creds, got, "the time and size may be the same, the file is not")
		}
	}
}

func TestFileIsReloadedWhenItIsOverwritten(t *testing.T) {
	m := mount(t)
	p := &fileProvider{path: m.path}
	m.renew(document(credentialsNamed("a", time.Hour)))
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	m.overwrite(document(credentialsNamed("longer", time.Hour)))
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, credentialsNamed("longer", 0).AccessKeyID, got.AccessKeyID)

	m.overwrite(document(credentialsNamed("shorts", time.Hour)))
	require.NoError(t, os.Chtimes(m.path, time.Unix(2, 0), time.Unix(2, 0)))
	got, err = p.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, credentialsNamed("shorts", 0).AccessKeyID, got.AccessKeyID)
}

func TestUnchangedFileIsNotReloaded(t *testing.T) {
	m := mount(t)
	p := &fileProvider{path: m.path}
	m.renew(document(credentialsNamed("a", time.Hour)))
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	// Its metadata is unchanged, which proves that the file is not read again.
	m.overwrite(document(credentialsNamed("b", time.Hour)))
	got, err := p.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, credentialsNamed("a", 0).AccessKeyID, got.AccessKeyID)
}

func TestUnreadableFileKeepsPreviousCredentials(t *testing.T) {
	good := credentialsNamed("a", time.Hour)
	for name, happen := range map[string]func(m *mountedSecret){
		"half-written":   func(m *mountedSecret) { m.overwrite(document(credentialsNamed("b", time.Hour))[:50]) },
		"emptied":        func(m *mountedSecret) { m.overwrite("") },
		"swapped broken": func(m *mountedSecret) { m.renew(`{"Version":1}`) },
		"gone": func(m *mountedSecret) {
			require.NoError(m.t, os.Remove(filepath.Join(m.dir, "..data")))
		},
		"a directory": func(m *mountedSecret) {
			require.NoError(m.t, os.Remove(m.path))
			require.NoError(m.t, os.Mkdir(m.path, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t)
			p := &fileProvider{path: m.path}
			m.renew(document(good))
			_, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			happen(m)
			for range 2 {
				got, failure := p.Retrieve(t.Context())
				require.NoError(t, failure)
				assert.Equal(t, good, got)
			}

			p.creds.Expires = time.Now().Add(-time.Second)
			_, err = p.Retrieve(t.Context())
			requireHarmless(t, err)
			require.ErrorContains(t, err, "read the credentials file "+m.path)

			if name == "a directory" {
				return
			}
			m.renew(document(credentialsNamed("c", time.Hour)))
			got, err := p.Retrieve(t.Context())
			require.NoError(t, err)
			assert.Equal(t, credentialsNamed("c", 0).AccessKeyID, got.AccessKeyID)
		})
	}
}

func TestExpiredCredentialsNameTheFile(t *testing.T) {
	m := mount(t)
	p := &fileProvider{path: m.path}
	creds := credentialsNamed("a", -time.Minute)
	m.renew(document(creds))
	for range 2 {
		got, err := p.Retrieve(t.Context())
		requireHarmless(t, err)
		require.EqualError(t, err, "the credentials in "+m.path+" expired at "+creds.Expires.Format(time.RFC3339)+
			": whatever writes the file has to renew them")
		assert.Zero(t, got)
	}
	m.renew(document(credentialsNamed("b", time.Hour)))
	_, err := p.Retrieve(t.Context())
	require.NoError(t, err)
}

func TestCredentialsOfAnUnchangedFileExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mount(t)
		p := &fileProvider{path: m.path}
		m.renew(document(credentialsNamed("a", time.Hour)))
		time.Sleep(time.Hour - time.Second)
		_, err := p.Retrieve(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = p.Retrieve(t.Context())
		require.ErrorContains(t, err, "expired at 2000-01-01T01:00:00Z")
	})
}

func TestMalformedFileIsNotQuoted(t *testing.T) {
	const notJSON, incomplete = "not the JSON document that a credential_process prints", "needs Version 1, AccessKeyId and SecretAccessKey"
	tests := map[string]struct{ content, wantErr string }{
		"empty":                   {"", notJSON},
		"an INI file":             {"[default]\naws_secret_access_key = " + sentinel, notJSON},
		"cut short":               {`{"Version":1,"SecretAccessKey":"` + sentinel, notJSON},
		"a word":                  {sentinel, notJSON},
		"a string":                {`"` + sentinel + `"`, notJSON},
		"a number for a key":      {`{"Version":1,"AccessKeyId":1,"SecretAccessKey":"` + sentinel + `"}`, notJSON},
		"a key for a number":      {`{"Version":"` + sentinel + `"}`, notJSON},
		"a key for an expiration": {`{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"` + sentinel + `"}`, notJSON},
		"two documents":           {document(credentialsNamed("a", 0)) + document(credentialsNamed("b", 0)), notJSON},
		"bytes":                   {"\x00\xff" + sentinel, notJSON},
		"another version":         {strings.Replace(document(credentialsNamed("a", 0)), `"Version":1`, `"Version":2`, 1), incomplete},
		"no version":              {strings.Replace(document(credentialsNamed("a", 0)), `"Version":1,`, ``, 1), incomplete},
		"no access key":           {`{"Version":1,"SecretAccessKey":"` + sentinel + `"}`, incomplete},
		"no secret":               {`{"Version":1,"AccessKeyId":"` + sentinel + `"}`, incomplete},
		"null":                    {"null", incomplete},
		"an endpoint's answer":    {`{"AccessKeyId":"` + sentinel + `","SecretAccessKey":"` + sentinel + `","Token":"` + sentinel + `"}`, incomplete},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := mount(t)
			m.renew(tc.content)
			got, err := (&fileProvider{path: m.path}).Retrieve(t.Context())
			requireHarmless(t, err)
			require.EqualError(t, err, "read the credentials file "+m.path+": "+tc.wantErr)
			assert.Zero(t, got)
		})
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials.json")
	_, err := (&fileProvider{path: path}).Retrieve(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, path)
}

func TestConcurrentRetrieve(t *testing.T) {
	m := mount(t)
	p := &fileProvider{path: m.path}
	m.renew(document(credentialsNamed("a", time.Hour)))
	var wg sync.WaitGroup
	var mixed atomic.Int32
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if creds, err := p.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "AKIA"+creds.SecretAccessKey {
					mixed.Add(1)
				}
			}
		})
	}
	for range 20 {
		m.renew(document(credentialsNamed("b", time.Hour)))
		m.renew(document(credentialsNamed("c", time.Hour)))
	}
	wg.Wait()
	assert.Zero(t, mixed.Load())
}

// With the real SDK, which has caches of its own in front of providers.
func TestSDKUsesARotatedFileImmediately(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	isolate(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", w.URL())
	m := mount(t)
	m.renew(document(w.asUser()))
	cfg, err := LoadConfig(t.Context(), ConfigOptions{CredentialsFile: m.path})
	require.NoError(t, err)
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	callers := func() string {
		_, failure := a.Assume(t.Context(), wanting(t, "app"))
		require.NoError(t, failure)
		calls := w.Calls()
		return calls[len(calls)-1].Caller
	}
	assert.Equal(t, w.user, callers())
	m.renew(document(w.asRole()))
	assert.Equal(t, "arn:aws:sts::"+home+":assumed-role/controller/i-0123456789", callers())
	m.overwrite("{")
	assert.Equal(t, "arn:aws:sts::"+home+":assumed-role/controller/i-0123456789", callers())

	m.renew(document(credentialsNamed("a", -time.Hour)))
	_, err = a.Assume(t.Context(), wanting(t, "app"))
	requireHarmless(t, err)
	require.ErrorContains(t, err, "the credentials in "+m.path+" expired at")
}

func TestExpirationOfTheFileIsKnownWithoutARequest(t *testing.T) {
	file := mount(t)
	file.renew(document(credentialsNamed("a", time.Hour)))
	a, err := New(aws.Config{Credentials: &fileProvider{path: file.path}}, withQPS(Options{}))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(time.Hour), a.FileExpiration(), 10*time.Second)
	file.renew(document(credentialsNamed("b", 2*time.Hour)))
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), a.FileExpiration(), 10*time.Second, "after a rotation")
	file.renew("half of a fi")
	assert.WithinDuration(t, time.Now().Add(2*time.Hour), a.FileExpiration(), 10*time.Second, "what is used until it expires")
	file.renew(document(credentialsNamed("c", 0)))
	assert.Zero(t, a.FileExpiration(), "credentials of a user do not expire")
}

func TestOnlyAFileHasAnExpirationOfItsOwn(t *testing.T) {
	creds := credentialsNamed("a", time.Hour)
	a, err := New(configFor("http://127.0.0.1:1", creds), withQPS(Options{}))
	require.NoError(t, err)
	assert.Zero(t, a.FileExpiration(), "the SDK renews what expires")
	a, err = New(aws.Config{Credentials: &fileProvider{path: "/nonexistent"}}, withQPS(Options{}))
	require.NoError(t, err)
	assert.Zero(t, a.FileExpiration())
}
