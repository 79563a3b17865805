// Package policycheck has IAM Access Analyzer look at the policies of managed roles. It is
// never in the way: policies are in effect already, and findings are events.
package policycheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/identity"
)

const (
	// waiting is how many policies wait at most. What does not fit is not looked at.
	waiting = 100
	// timeout is how long a policy may take, retries and all pages included.
	timeout = 15 * time.Second
	// maxPages limits what is read of one policy; events name few findings anyway.
	maxPages = 5
)

// Events records events on objects.
type Events interface {
	Normal(want identity.Desired, reason, message string)
}

// A Validator asks IAM Access Analyzer about one policy after the other. A nil one asks
// about none. Create it with New.
type Validator struct {
	client *accessanalyzer.Client
	events Events
	logger log.Logger

	pending chan identity.Desired
	// failure is the code of the last failure, "" after a success: each is said once.
	failure string
}

// New returns a Validator that sends its requests with cfg, in its Region. It makes no call.
func New(cfg aws.Config, events Events, logger log.Logger) *Validator {
	return &Validator{client: accessanalyzer.NewFromConfig(cfg), events: events, logger: logger, pending: make(chan identity.Desired, waiting)}
}

// Offer has the policy of a managed role that was written looked at. It does not wait.
func (v *Validator) Offer(want identity.Desired) {
	if v == nil || want.Managed == nil || want.Managed.Policy == "" {
		return
	}
	select {
	case v.pending <- want:
	default:
		level.Debug(v.logger).Log("msg", "too many policies wait for IAM Access Analyzer, and this one is not looked at", "object", want.Key)
	}
}

// Run looks at policies until ctx is done.
func (v *Validator) Run(ctx context.Context) {
	if v == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case want := <-v.pending:
			v.check(ctx, want)
		}
	}
}

func (v *Validator) check(ctx context.Context, want identity.Desired) {
	findings, err := v.findings(ctx, want.Managed.Policy)
	if err != nil {
		v.logFailure(ctx, want, err)
		return
	}
	v.failure = ""
	if len(findings) > 0 {
		v.events.Normal(want, api.PolicyHint, message(findings))
		level.Info(v.logger).Log("msg", "findings of IAM Access Analyzer", "object", want.Key, "findings", len(findings))
	}
}

// findings returns those that say that a policy does not work, or allows too much.
func (v *Validator) findings(ctx context.Context, policy string) (all []types.ValidatePolicyFinding, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pages := accessanalyzer.NewValidatePolicyPaginator(v.client, &accessanalyzer.ValidatePolicyInput{
		PolicyDocument: &policy, PolicyType: types.PolicyTypeIdentityPolicy,
	})
	for n := 0; n < maxPages && pages.HasMorePages(); n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("validate a policy: %w", err)
		}
		for _, f := range page.Findings {
			if f.FindingType == types.ValidatePolicyFindingTypeError || f.FindingType == types.ValidatePolicyFindingTypeSecurityWarning {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// logFailure says once that policies are not looked at, and why.
func (v *Validator) logFailure(ctx context.Context, want identity.Desired, err error) {
	code := awserr.Code(err)
	if code == v.failure || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	v.failure = code
	level.Warn(v.logger).Log("msg", "policies are not validated by IAM Access Analyzer, but are in effect: "+
		"allow access-analyzer:ValidatePolicy, make its endpoint reachable, or unset --validate-policies (logged once per cause)", "object", want.Key, "err", awserr.Describe(err))
}
