// Package credserver serves the credentials in a mounted Secret the way the
// container credentials provider of the AWS SDKs asks for them:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html.
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
	// dataLink is what the kubelet swaps: all files of a version are behind it.
	dataLink = "..data"
)

// maxFile is more than any of the files has.
const maxFile = 64 << 10

// credentials are one version of the Secret.
type credentials struct {
	// answer is what SDKs are sent. token is the Secret's authorization-token,
	// nil where it has none.
	answer, token []byte
	expires       time.Time
}

// processOutput is what a credential_process prints:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html.
type processOutput struct {
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	SessionToken    string    `json:"SessionToken"`
	Expiration      time.Time `json:"Expiration"`
}

// containerAnswer is the same for the container credentials provider, which
// says Token where the other says SessionToken.
type containerAnswer struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string `json:"SecretAccessKey"`
	Token           string `json:"Token"`
	Expiration      string `json:"Expiration"`
}

// version names what is mounted now, so that a change is seen for the price of
// reading a link. Where there is no link, it is the modification time.
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

// load reads one version of the Secret. Its files belong together: they are
// read behind the link, which the kubelet may swap meanwhile. Errors never
// repeat what was read.
func load(directory string) (*credentials, error) {
	versioned := resolve(directory)
	text, err := read(versioned, credentialsFile)
	if err != nil {
		return nil, err
	}
	token, err := read(versioned, tokenFile)
	// Gone with the version is not the same as never there.
	if absent := errors.Is(err, fs.ErrNotExist) && resolve(directory) == versioned; err != nil && !absent {
		return nil, err
	}
	return parse(text, token)
}

// resolve returns where the files of the current version are.
func resolve(directory string) string {
	if versioned, err := filepath.EvalSymlinks(filepath.Join(directory, dataLink)); err == nil {
		return versioned
	}
	return directory
}

func parse(text, token []byte) (*credentials, error) {
	// A newline is not part of it, and a header could not carry one.
	token = []byte(strings.TrimRight(string(token), "\r\n"))
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
	return &credentials{answer: answer, token: token, expires: p.Expiration}, nil
}

func read(directory, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(directory, name)) //nolint:gosec // the directory is the operator's
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

// An unreadableError says which file cannot be opened, and not where it is.
type unreadableError struct {
	name  string
	cause error
}

// Error returns the message.
func (e *unreadableError) Error() string { return e.name + " cannot be read" }

// Unwrap returns what the operating system said.
func (e *unreadableError) Unwrap() error { return e.cause }
