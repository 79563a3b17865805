package sts

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

// disableTags is the remedy for session tags of EKS Pod Identity. A process keeps
// its credentials until they expire, so it has to be restarted.
const disableTags = "disable session tags on the controller's Pod Identity association " +
	"(aws eks update-pod-identity-association --cluster-name=<cluster> --association-id=<id> --disable-session-tags) and restart the controller"

// tagsCarried introduces disableTags.
const tagsCarried = "the controller's own session carries tags of EKS Pod Identity: "

// tagConflict explains that STS rejects tags because the caller has them already.
const tagConflict = "the controller's own session carries tags of EKS Pod Identity, which are transitive and cannot be replaced by those of --session-tags: " + disableTags

// isPodIdentity reports whether credentials come from EKS Pod Identity, from the
// environment variables that its webhook sets:
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html.
func isPodIdentity(provider aws.CredentialsProvider, getenv func(string) string) bool {
	if !slices.Contains(sourcesOf(provider), aws.CredentialSourceHTTP) {
		return false
	}
	if strings.Contains(getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "/pods.eks.amazonaws.com/") {
		return true
	}
	agent, err := url.Parse(getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
	return err == nil && (agent.Hostname() == "169.254.170.23" || agent.Hostname() == "fd00:ec2::23")
}

// PodIdentityWarning returns a warning to log at start-up if the controller runs
// under EKS Pod Identity, otherwise "". It makes no call.
func (a *Assumer) PodIdentityWarning() string {
	if !a.podIdentity {
		return ""
	}
	return "the controller runs under EKS Pod Identity: unless that was done already, " + disableTags +
		". Its tags would outrank those of every role that the controller assumes, so roles that it makes refuse a session that carries them, and --session-tags cannot be used"
}

// TransitiveTags returns the reason and the remedy if the controller's session has
// tags that EKS Pod Identity made transitive, "" if it has none. Only STS can tell:
// it refuses to set such a tag again. The question is a request for a session of
// want's role, whose trust policy has to allow the controller even with such tags;
// the session is discarded. It is asked once for each set of credentials of the
// controller. An error means that STS did not tell.
func (a *Assumer) TransitiveTags(ctx context.Context, want identity.Desired) (why string, err error) {
	creds, err := a.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", awserr.Describe(err)
	}
	if creds.SessionToken == "" {
		return "", nil // credentials of a user have no session
	}
	answer, err := a.transitiveTags.forKey(creds.AccessKeyID).get(ctx, func(ctx context.Context) (*bool, error) {
		_, _, failure := a.assumeRole(ctx, want, want.Role, identity.MinSession, []types.Tag{{Key: new(api.PodUIDTag), Value: new("none")}})
		switch {
		case failure == nil:
			return new(bool), nil
		case isConflicting(failure):
			return new(true), nil
		default:
			return nil, a.refusalError(want, want.Role, identity.MinSession, failure)
		}
	})
	if err != nil {
		return "", fmt.Errorf("see whether the controller's session carries tags of EKS Pod Identity: %w", err)
	}
	if *answer {
		return tagsCarried + disableTags, nil
	}
	return "", nil
}

// dropStaleTransitiveTags discards the answer for credentials that were replaced
// since. It makes no call after a response of STS, for which they were just used.
func (a *Assumer) dropStaleTransitiveTags(ctx context.Context) {
	if creds, err := a.cfg.Credentials.Retrieve(ctx); err == nil {
		a.transitiveTags.forKey(creds.AccessKeyID)
	}
}

// transitiveTags caches whether the controller's session has transitive tags, for
// its latest credentials, identified by their access key ID.
type transitiveTags struct {
	mu      sync.Mutex
	key     string
	carries *lazy[bool]
}

func (c *transitiveTags) forKey(key string) *lazy[bool] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.carries == nil || c.key != key {
		c.key, c.carries = key, &lazy[bool]{}
	}
	return c.carries
}

func (c *transitiveTags) latest() (carries, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.carries == nil {
		return false, false
	}
	answer := c.carries.value.Load()
	return answer != nil && *answer, answer != nil
}

// isConflicting recognizes the rejection of tags that the caller's session has as
// transitive ones. Only the message distinguishes it from other invalid parameters:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining.
func isConflicting(err error) bool {
	answer, _, answered := awserr.Answer(err)
	return answered && strings.Contains(answer.ErrorMessage(), "conflicts with a transitive tag key")
}
