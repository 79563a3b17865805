package sts

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestOutagesAreToldFromRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		fault awssim.Fault
		want  bool
	}{
		"STS is away":                {awssim.Fault{Code: "ServiceUnavailable"}, true},
		"STS does not answer":        {awssim.Fault{Drop: true}, true},
		"the controller is unknown":  {awssim.Fault{Code: "InvalidClientTokenId"}, true},
		"STS refuses":                {awssim.Fault{Code: "AccessDenied"}, false},
		"STS is asked too often":     {awssim.Fault{Code: "Throttling"}, false},
		"the Region is not enabled":  {awssim.Fault{Code: "RegionDisabledException"}, false},
		"the policy cannot be right": {awssim.Fault{Code: "MalformedPolicyDocument"}, false},
	} {
		for _, action := range []string{"AssumeRole", "GetCallerIdentity"} {
			if action == "GetCallerIdentity" && !tc.want {
				continue // nobody's request was refused there
			}
			t.Run(name+" for "+action, func(t *testing.T) {
				w := newWorld(t, awssim.Options{})
				w.app("app")
				a := w.assumer(w.asRole(), Options{})
				tc.fault.Action = action
				w.Set(awssim.Settings{Faults: &[]awssim.Fault{tc.fault}})
				_, err := a.Assume(t.Context(), wanting(t, "app"))
				w.requireHarmless(err)
				assert.Equal(t, tc.want, isOutage(err), err)
				if action == "AssumeRole" {
					_, err = a.EnforcesExternalID(t.Context(), wanting(t, "app"))
					if name != "STS refuses" {
						require.Error(t, err)
					}
					assert.Equal(t, tc.want, isOutage(err), "so is the check of the external ID: %v", err)
				}
			})
		}
	}
}

func isOutage(err error) bool { return errors.Is(err, identity.ErrOutage) }

func TestAnOutageCostsFewRequests(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: "ServiceUnavailable"}}})
	_, first := a.Assume(t.Context(), wanting(t, "app"))
	for range 10 * unavailableAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
		require.EqualError(t, err, first.Error())
	}
	assert.Less(t, w.Counts()["AssumeRole"], 5*unavailableAfter)

	w.Set(awssim.Settings{Faults: &[]awssim.Fault{}})
	assert.Eventually(t, func() bool {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	for range 10 {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.NoError(t, err)
	}
}

func TestOnlyWhatIsSentTakesTheControllersCredentials(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	creds, retrieved := w.asRole(), 0
	cfg := configFor(w.URL(), creds)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		retrieved++ // a call to AWS, where the controller's own session has expired
		return creds, nil
	})
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: "ServiceUnavailable"}}})
	for range 2 * unavailableAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
	}
	assert.Equal(t, len(w.Calls()), retrieved)
}

func TestWhatIsNotSentTakesNoTurn(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{QPS: unavailableAfter})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: "ServiceUnavailable"}}})
	for range 10 * unavailableAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
	}
	assert.False(t, a.limiter.Busy(), "a burst of twice that is free, and half of it was sent")
}

func TestTheFirstQuestionIsBehindTheSameGate(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetCallerIdentity", Code: "ServiceUnavailable"}}})
	for range 10 * unavailableAfter {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorIs(t, err, identity.ErrOutage)
		require.ErrorContains(t, err, "ask AWS who the controller is: ServiceUnavailable: ")
	}
	assert.Less(t, w.Counts()["GetCallerIdentity"], 5*unavailableAfter)
	require.Error(t, a.availability.away(time.Now()), "nor is any role assumed")

	w.Set(awssim.Settings{Faults: &[]awssim.Fault{}})
	assert.Eventually(t, func() bool {
		_, err := a.Account(t.Context())
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, a.availability.away(time.Now()), "an answer to either ends the outage")
	_, err := a.Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)
}
