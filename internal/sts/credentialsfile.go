package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kube-aws-iam-controller/internal/awserr"
)

// fileProvider provides credentials from a file in the output format of a
// credential_process:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html.
// It checks for a changed file on each request, so that a rotated Secret is used
// immediately, not only when the previous credentials have expired.
type fileProvider struct {
	path string

	mu    sync.Mutex
	read  os.FileInfo
	creds aws.Credentials
}

// Retrieve implements aws.CredentialsProvider. Its errors name the file and never
// quote it. If the file cannot be read, perhaps because it is being written, the
// previous credentials are used until they expire.
func (p *fileProvider) Retrieve(context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.refresh()
	switch {
	case p.creds.HasKeys() && !p.creds.Expired():
		return p.creds, nil
	case err != nil:
		return aws.Credentials{}, &awserr.PlainError{Message: fmt.Sprintf("read the credentials file %s: %v", p.path, err), Err: err}
	default:
		return aws.Credentials{}, &awserr.PlainError{Message: fmt.Sprintf("the credentials in %s expired at %s: whatever writes the file has to renew them",
			p.path, p.creds.Expires.Format(time.RFC3339))}
	}
}

// expiration returns when the credentials in the file expire, the zero Time if they do
// not or are not known.
func (p *fileProvider) expiration() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.refresh() // requests report the error
	return p.creds.Expires
}

// refresh reads the file if it changed. Kubernetes updates a mounted Secret by
// replacing a symbolic link, so the identity of the file counts, too.
func (p *fileProvider) refresh() error {
	info, err := os.Stat(p.path)
	if err != nil {
		return err
	}
	if p.read != nil && os.SameFile(p.read, info) && p.read.ModTime().Equal(info.ModTime()) && p.read.Size() == info.Size() {
		return nil
	}
	content, err := os.ReadFile(p.path)
	if err != nil {
		return err
	}
	creds, err := parseCredentials(content)
	if err != nil {
		return err
	}
	p.creds, p.read = creds, info
	return nil
}

func parseCredentials(content []byte) (aws.Credentials, error) {
	var document struct {
		Version         int        `json:"Version"`
		AccessKeyID     string     `json:"AccessKeyId"`
		SecretAccessKey string     `json:"SecretAccessKey"`
		SessionToken    string     `json:"SessionToken"`
		Expiration      *time.Time `json:"Expiration"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		// The decoder's error may quote the contents.
		return aws.Credentials{}, errors.New("not the JSON document that a credential_process prints")
	}
	if document.Version != 1 || document.AccessKeyID == "" || document.SecretAccessKey == "" {
		return aws.Credentials{}, errors.New("needs Version 1, AccessKeyId and SecretAccessKey")
	}
	creds := aws.Credentials{
		AccessKeyID:     document.AccessKeyID,
		SecretAccessKey: document.SecretAccessKey,
		SessionToken:    document.SessionToken,
		Source:          "credentials file",
	}
	if document.Expiration != nil {
		creds.CanExpire, creds.Expires = true, *document.Expiration
	}
	return creds, nil
}
