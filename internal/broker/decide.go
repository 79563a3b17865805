package broker

import (
	"time"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// A decision is the one thing that a sync does about an identity.
type decision struct {
	do action
	// refusal is the reason, which is reported on the object.
	refusal *identity.InvalidError
	// needsIAM says that the worker has to wait for IAM.
	needsIAM bool
}

// An action is something that can be done about an identity.
type action string

const (
	forget        action = "forget"
	retire        action = "retire"
	revoke        action = "revoke"
	renewLastGood action = "renew last good"
	refuse        action = "refuse"
	fail          action = "fail"
	issue         action = "issue"
	release       action = "release role"
	inspect       action = "inspect role"
	rest          action = "rest"
)

// rules are tried in order. The first that holds decides.
var rules = []struct {
	holds  func(f facts) bool
	decide func(f facts) decision
}{
	// Nothing is requested, and nothing is left to remove.
	{func(f facts) bool { return f.asked == nil && !f.have.Exists && !f.roleMayExist }, just(forget)},
	// Nothing is requested anymore: remove the role, then the Secret, then the finalizer.
	{func(f facts) bool { return f.asked == nil }, func(f facts) decision {
		return decision{do: retire, needsIAM: f.roleMayExist}
	}},
	// A permission was withdrawn: nothing else takes credentials from a workload.
	{func(f facts) bool { return f.revoked != nil }, func(f facts) decision {
		return decision{do: revoke, refusal: f.revoked}
	}},
	// The current request is not served, whoever refuses it: renew the last good
	// credentials.
	{facts.lastGoodRunsOut, just(renewLastGood)},
	// The role is not permitted, and only an edited Secret says whose credentials these
	// are.
	{func(f facts) bool {
		return f.refusal != nil && f.refusal.Reason == api.RoleNotPermitted && f.have.Exists && f.lastGood == nil
	}, func(f facts) decision {
		return decision{do: revoke, refusal: f.refusal}
	}},
	// Only a change of the object, or of what it may use, fixes that.
	{func(f facts) bool { return f.refusal != nil }, func(f facts) decision {
		return decision{do: refuse, refusal: f.refusal}
	}},
	// It is not known what exactly is requested, or whether the role is permitted.
	{func(f facts) bool { return f.unread != nil || f.unknown != nil }, just(fail)},
	// Credentials are missing, do not match the request, or are about to expire.
	{func(f facts) bool { return f.due != "" }, func(f facts) decision {
		return decision{do: issue, needsIAM: f.asked.Managed != nil && f.role == fromIAM}
	}},
	// The object now uses another role than the one that was created for it.
	{func(f facts) bool { return f.asked.Managed == nil && f.roleMayExist }, func(facts) decision {
		return decision{do: release, needsIAM: true}
	}},
	// Somebody may have changed the managed role.
	{func(f facts) bool { return f.inspect }, func(facts) decision {
		return decision{do: inspect, needsIAM: true}
	}},
	// All is well.
	{func(facts) bool { return true }, just(rest)},
}

func just(do action) func(facts) decision {
	return func(facts) decision { return decision{do: do} }
}

// decide returns what to do about an identity now.
func decide(f facts) decision {
	for _, rule := range rules {
		if rule.holds(f) {
			return rule.decide(f)
		}
	}
	return decision{do: rest} // the last rule always holds
}

// lastGoodRunsOut reports whether the last good credentials have to be renewed first,
// because the object now requests something else, which is refused or was not served
// yet. A new change is tried at once if there is nothing left to lose.
func (f facts) lastGoodRunsOut() bool {
	switch {
	case f.lastGood == nil || f.lastGoodFailed:
		return false
	case f.refusal != nil || f.unread != nil:
		return f.lastGoodDue != ""
	}
	return f.due == refresh.SpecChanged && f.lastGoodDue == refresh.NearExpiry && (f.failing || f.have.Valid(f.now))
}

// nextRenewal returns how long credentials that are not due can be left alone.
func (f facts) nextRenewal() time.Duration { return refresh.Next(f.now, f.have, f.refreshLimit) }

// maxBackoff returns the maximum delay before a failed renewal is retried, 0 if the
// usual back-off decides.
func (f facts) maxBackoff() time.Duration { return refresh.MaxBackoff(f.now, f.have) }

// meanwhile returns when to look again at valid credentials while their change waits
// for IAM, however long that takes: when they are due for renewal, and from then on as
// after any failure.
func (f facts) meanwhile() time.Duration {
	if !f.have.Valid(f.now) {
		return 0
	}
	if next := f.nextRenewal(); next > time.Second {
		return next
	}
	return f.maxBackoff()
}
