// Package credserver serves credentials of a Secret to the container credentials provider of
// the AWS SDKs: those of a mounted Secret for the sidecar, and any others that are handed to it.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
package credserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of the Secret.
const (
	credentialsFile = "credentials.json"
	tokenFile       = "authorization-token"
	// dataLink is the symbolic link that the kubelet replaces atomically. Its target has
	// all files of one version.
	dataLink = "..data"
)

// maxFile exceeds the size of each file.
const maxFile = 64 << 10

// Credentials are those of one version of a Secret.
type Credentials struct {
	// answer is the response body for SDKs. token is the Secret's authorization-token,
	// empty if it has none.
	answer, token []byte
	expires       time.Time
}

// processOutput is the output of a credential_process:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html.
type processOutput struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	SessionToken    string    `json:"SessionToken"`
	Expiration      time.Time `json:"Expiration"`
}

// containerAnswer is the response to the container credentials provider. Its Token is
// called SessionToken in processOutput.
type containerAnswer struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string `json:"SecretAccessKey"`
	Token           string `json:"Token"`
	Expiration      string `json:"Expiration"`
}

// version identifies the mounted files: the target of dataLink, which is cheap to read, or
// the modification time if there is no link.
func version(directory string) (string, error) {
	target, err := os.Readlink(filepath.Join(directory, dataLink))
	if err == nil {
		return target, nil
	}
	info, err := os.Stat(filepath.Join(directory, credentialsFile))
	if err != nil {
		return "", fmt.Errorf("there are no credentials in %s yet", directory)
	}
	return info.ModTime().String(), nil
}

// load reads one version of the Secret. It resolves dataLink once, so that all files are of
// the same version if the kubelet replaces the link meanwhile. Errors do not quote the files.
func load(directory string) (*Credentials, error) {
	versioned := resolve(directory)
	text, err := read(versioned, credentialsFile)
	if err != nil {
		return nil, err
	}
	token, err := read(versioned, tokenFile)
	// A missing token is valid only if its version is still mounted. Otherwise the kubelet
	// may have removed the file.
	if absent := errors.Is(err, fs.ErrNotExist) && resolve(directory) == versioned; err != nil && !absent {
		return nil, err
	}
	return parse(text, token)
}

// resolve returns the directory of the current version.
func resolve(directory string) string {
	if versioned, err := filepath.EvalSymlinks(filepath.Join(directory, dataLink)); err == nil {
		return versioned
	}
	return directory
}

// parse converts the content of the two files.
func parse(text, token []byte) (*Credentials, error) {
	c, err := Parse(text)
	if err != nil {
		return nil, err
	}
	// Trim newlines, which a header cannot contain.
	c.token = []byte(strings.TrimRight(string(token), "\r\n"))
	return c, nil
}

// Parse reads the credentials.json of a Secret. Errors do not quote it.
func Parse(text []byte) (*Credentials, error) {
	var p processOutput
	if json.Unmarshal(text, &p) != nil || p.AccessKeyID == "" || p.SecretAccessKey == "" || p.SessionToken == "" || p.Expiration.IsZero() {
		return nil, fmt.Errorf("%s does not hold credentials", credentialsFile)
	}
	answer, err := json.Marshal(containerAnswer{
		AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey, Token: p.SessionToken,
		Expiration: p.Expiration.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return nil, errors.New("the credentials cannot be written as JSON")
	}
	return &Credentials{answer: answer, expires: p.Expiration}, nil
}

// Expires returns when the credentials are no longer valid.
func (c *Credentials) Expires() time.Time { return c.expires }

// read returns the content of a file of up to maxFile bytes.
func read(directory, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(directory, name)) //nolint:gosec // the directory is configured by the operator
	if err != nil {
		return nil, &unreadableError{name, err}
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil || len(text) > maxFile {
		return nil, fmt.Errorf("%s cannot be read, or is too long", name)
	}
	return text, nil
}

// An unreadableError names the file that cannot be opened, without its directory.
type unreadableError struct {
	name  string
	cause error
}

// Error returns the message.
func (e *unreadableError) Error() string { return e.name + " cannot be read" }

// Unwrap returns the error of the operating system.
func (e *unreadableError) Unwrap() error { return e.cause }
