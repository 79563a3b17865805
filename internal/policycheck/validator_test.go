package policycheck

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

const account = "123456789012"

// recorder records events.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) Normal(want identity.Desired, reason, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, want.Name+" "+reason+": "+message)
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.events...)
}

// world is a Validator whose role has a policy, at a simulation of AWS.
type world struct {
	*Validator

	events *recorder
	sim    *awssim.Server
	log    *bytes.Buffer
}

func newWorld(t *testing.T, policy string) *world {
	t.Helper()
	sim, err := awssim.Start(t.Context(), awssim.New(awssim.Options{PageSize: 2}))
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	_, err = sim.AddRole(awssim.RoleSpec{
		Account: account, Name: "controller", Policies: map[string]string{"p": policy},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	require.NoError(t, err)
	creds, err := sim.RoleCredentials(account, "controller", "test", time.Hour)
	require.NoError(t, err)
	w := &world{events: &recorder{}, sim: sim, log: &bytes.Buffer{}}
	w.Validator = New(aws.Config{
		Region: "eu-central-1", BaseEndpoint: new(sim.URL()), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}, w.events, log.NewLogfmtLogger(w.log))
	return w
}

func policyOf(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func statement(actions string) string {
	return `{"Effect":"Allow","Action":[` + actions + `],"Resource":"*"}`
}

// may is what the controller needs for this.
var may = policyOf(`{"Effect":"Allow","Action":"access-analyzer:ValidatePolicy","Resource":"*"}`)

func want(policy string) identity.Desired {
	return identity.Desired{Key: identity.Key{Name: "app"}, Managed: &identity.ManagedRole{Policy: policy}}
}

func TestFindingsAreEvents(t *testing.T) {
	const (
		says     = "app PolicyHint: iam.amazonaws.com/role-policy is in effect, and IAM Access Analyzer says of it: "
		passRole = "Using wildcards (*) in the resource can be overly permissive because it allows iam:PassRole permissions on multiple resources. (PASS_ROLE_WITH_STAR_IN_RESOURCE)"
		noAction = "The action s3:GetObjekt does not exist. (INVALID_ACTION)"
	)
	for name, tc := range map[string]struct {
		policy string
		want   []string
	}{
		"none":               {policyOf(statement(`"s3:GetObject"`)), nil},
		"a suggestion":       {policyOf(statement(`"*","s3:GetObject"`)), nil},
		"a security warning": {policyOf(statement(`"s3:GetObject"`), statement(`"iam:PassRole"`)), []string{says + "statement 2: " + passRole}},
		"more than on a page": {policyOf(statement(`"s3:GetObjekt"`), statement(`"iam:PassRole"`), statement(`"s3:GetObjekt"`), statement(`"s3:GetObjekt"`), statement(`"s3:GetObjekt"`)),
			[]string{says + "statement 1: " + noAction + "; statement 2: " + passRole + "; statement 3: " + noAction + "; and 2 more"}},
		"no policy at all": {"{", []string{says + "Fix the JSON syntax error. (JSON_SYNTAX_ERROR)"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, may)
			w.check(t.Context(), want(tc.policy))
			assert.Equal(t, tc.want, w.events.all())
			assert.NotContains(t, w.log.String(), "level=warn")
		})
	}
}

func TestWhyPoliciesAreNotLookedAtIsSaidOnce(t *testing.T) {
	bad := policyOf(statement(`"iam:PassRole"`))
	t.Run("without the permission", func(t *testing.T) {
		w := newWorld(t, policyOf(statement(`"iam:*"`)))
		for range 3 {
			w.check(t.Context(), want(bad))
		}
		assert.Equal(t, 1, strings.Count(w.log.String(), "level=warn"))
		assert.Contains(t, w.log.String(), "is not authorized to perform: access-analyzer:ValidatePolicy")
		assert.Empty(t, w.events.all())
	})
	t.Run("out of reach, and then again", func(t *testing.T) {
		w := newWorld(t, may)
		w.sim.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "ValidatePolicy", Drop: true, Times: 2}}})
		w.check(t.Context(), want(bad))
		w.check(t.Context(), want(bad))
		assert.Equal(t, 1, strings.Count(w.log.String(), "level=warn"), w.log.String())
		w.check(t.Context(), want(bad))
		assert.Len(t, w.events.all(), 1)
	})
}

func TestOffersAreLookedAtOneAfterTheOther(t *testing.T) {
	w := newWorld(t, may)
	for range 2 * waiting { // which nobody takes, and nobody waits for
		w.Offer(want(policyOf(statement(`"iam:PassRole"`))))
	}
	w.Offer(identity.Desired{})
	w.Offer(want(""))
	assert.Len(t, w.pending, waiting)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	assert.Eventually(t, func() bool { return len(w.events.all()) >= 3 }, 10*time.Second, 10*time.Millisecond)
	stop()
	<-done

	var off *Validator
	off.Offer(want(may))
	off.Run(t.Context())
}
