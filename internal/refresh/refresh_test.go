package refresh

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/identity"
)

var (
	now  = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	want = identity.Desired{Role: identity.RoleReference{Name: "app"}, SessionDuration: time.Hour}
)

const roleARN = "arn:aws:iam::123456789012:role/app"

// issued returns credentials for want of the given age.
func issued(age time.Duration) State {
	return State{
		Exists: true, UID: "u", RoleARN: roleARN, Expiration: now.Add(time.Hour - age), Session: time.Hour, SpecHash: want.SpecHash(),
	}
}

func TestDue(t *testing.T) {
	// Each state breaks one rule more than the next, so that the order shows.
	all := State{}
	unreadable := State{Exists: true, Edited: true, RoleARN: roleARN}
	changed := State{Exists: true, Edited: true, RoleARN: roleARN, Expiration: now.Add(-time.Hour)}
	edited := State{Exists: true, Edited: true, RoleARN: roleARN, Expiration: now.Add(-time.Hour), SpecHash: want.SpecHash()}
	old := State{Exists: true, RoleARN: roleARN, Expiration: now.Add(-time.Hour), SpecHash: want.SpecHash()}

	for reason, have := range map[Reason]State{
		Missing: all, Unreadable: unreadable, SpecChanged: changed, Edited: edited, NearExpiry: old,
	} {
		got, due := Due(now, want, have, 20*time.Minute)
		assert.True(t, due, reason)
		assert.Equal(t, reason, got)
	}
	_, due := Due(now, want, issued(0), 20*time.Minute)
	assert.False(t, due)
}

func TestDueIfTheRoleIsUnknown(t *testing.T) {
	have := issued(0)
	have.RoleARN = "not an ARN"
	reason, due := Due(now, want, have, 20*time.Minute)
	assert.True(t, due)
	assert.Equal(t, Unreadable, reason)
}

func TestRenewalWindow(t *testing.T) {
	tests := map[string]struct {
		session, limit   time.Duration
		earliest, latest time.Duration // before the end
	}{
		"an hour":                      {time.Hour, 20 * time.Minute, 26 * time.Minute, 20 * time.Minute},
		"the limit is at most a third": {time.Hour, 50 * time.Minute, 26 * time.Minute, 20 * time.Minute},
		"fifteen minutes":              {15 * time.Minute, 20 * time.Minute, 390 * time.Second, 5 * time.Minute},
		"twelve hours":                 {12 * time.Hour, 20 * time.Minute, 92 * time.Minute, 20 * time.Minute},
		"a session of seconds":         {9 * time.Second, 20 * time.Minute, 3900 * time.Millisecond, 3 * time.Second},
		"an unknown session keeps the limit as it is": {0, 20 * time.Minute, 20 * time.Minute, 20 * time.Minute},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for i := range 200 {
				have := State{UID: strconv.Itoa(i), Expiration: now, Session: tc.session}
				before := now.Sub(renewAt(have, tc.limit))
				assert.LessOrEqual(t, before, tc.earliest)
				assert.GreaterOrEqual(t, before, tc.latest)
				assert.Equal(t, before, now.Sub(renewAt(have, tc.limit)), "asking twice gives one answer")
				seen[before] = true
			}
			if tc.session > 0 {
				assert.Greater(t, len(seen), 150, "renewals are spread")
				all := slices.Collect(maps.Keys(seen))
				assert.Greater(t, slices.Max(all)-slices.Min(all), (tc.earliest-tc.latest)*95/100, "over the whole window")
			}
		})
	}
}

func TestIdentitiesThatAreRenewedTogetherAreNotAgain(t *testing.T) {
	seen := map[time.Duration]bool{}
	for i := range 200 {
		end := now.Add(time.Duration(i) * time.Hour)
		seen[end.Sub(renewAt(State{UID: "u", Expiration: end, Session: time.Hour}, 20*time.Minute))] = true
	}
	assert.Greater(t, len(seen), 150, "each session has a jitter of its own")
}

func TestNext(t *testing.T) {
	have := issued(0)
	next := Next(now, have, 20*time.Minute)
	_, due := Due(now.Add(next-time.Millisecond), want, have, 20*time.Minute)
	assert.False(t, due)
	reason, due := Due(now.Add(next), want, have, 20*time.Minute)
	assert.True(t, due)
	assert.Equal(t, NearExpiry, reason)
	assert.Equal(t, time.Second, Next(now, issued(2*time.Hour), 20*time.Minute))
}

func TestMaxBackoff(t *testing.T) {
	assert.Equal(t, 5*time.Minute, MaxBackoff(now, issued(40*time.Minute)))
	assert.Equal(t, 5*time.Second, MaxBackoff(now, issued(59*time.Minute+59*time.Second)))
	assert.Zero(t, MaxBackoff(now, issued(time.Hour)), "nothing left to save")
	assert.Zero(t, MaxBackoff(now, State{}))
}
