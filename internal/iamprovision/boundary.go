package iamprovision

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

const (
	// boundaryAge is how old what is known of the boundary may be, also that it cannot
	// be read. Hints alone depend on it.
	boundaryAge = time.Hour
	// boundaryTimeout is how long a ServiceAccount waits for what it only needs for hints.
	boundaryTimeout = 5 * time.Second
)

// boundary is what is known of the permissions boundary.
type boundary struct {
	mu      sync.Mutex
	readAt  time.Time
	version string // ID of the version that was read, "" for none
	known   *identity.Boundary
	err     error
}

// ReadBoundary returns what the permissions boundary of the roles says, nil if there is none.
// It is read once an hour at most, and its document once for each version. An error, such
// as for a lack of permissions, is returned for as long.
func (p *Provisioner) ReadBoundary(ctx context.Context) (*identity.Boundary, error) {
	if p.Boundary == "" {
		return nil, nil //nolint:nilnil // that there is none is an answer
	}
	b := &p.boundary
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.readAt.IsZero() && time.Since(b.readAt) < boundaryAge {
		return b.known, b.err
	}
	limited, cancel := context.WithTimeout(ctx, boundaryTimeout)
	defer cancel()
	known, version, err := p.readBoundary(limited, b.known, b.version)
	if ctx.Err() != nil {
		return nil, ctx.Err() // says nothing about IAM
	}
	b.readAt, b.known, b.version, b.err = time.Now(), known, version, err
	return b.known, b.err
}

// readBoundary reads the boundary's default version, if that is not the one known.
func (p *Provisioner) readBoundary(ctx context.Context, known *identity.Boundary, version string) (*identity.Boundary, string, error) {
	arn := p.Boundary
	policy, err := p.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return nil, "", awserr.About(arn, err)
	}
	if policy.Policy == nil || aws.ToString(policy.Policy.DefaultVersionId) == "" {
		return nil, "", errors.New("IAM answered without the policy")
	}
	id := policy.Policy.DefaultVersionId
	if *id == version {
		return known, version, nil
	}
	out, err := p.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: id})
	if err != nil {
		return nil, "", awserr.About(arn, err)
	}
	if out.PolicyVersion == nil {
		return nil, "", errors.New("IAM answered without the version of the policy")
	}
	text, err := url.PathUnescape(aws.ToString(out.PolicyVersion.Document))
	if err != nil {
		return nil, "", errors.New("IAM answered with a document that is not encoded")
	}
	read, err := identity.ParseBoundary(text)
	return read, *id, err
}
