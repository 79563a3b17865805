package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

var (
	errMalformed    = &identity.InvalidError{Reason: api.InvalidAnnotation, Message: "not JSON"}
	errNotPermitted = &identity.InvalidError{Reason: api.RoleNotPermitted, Message: "no"}
)

// served are the facts of an identity with fresh credentials, of which nothing is due.
func served() facts {
	now := time.Unix(1e9, 0)
	return facts{
		now: now, refreshLimit: refreshLimit, asked: desired(), lastGood: desired(),
		have: refresh.State{Exists: true, Expiration: now.Add(time.Hour), Session: time.Hour},
	}
}

func TestDecide(t *testing.T) {
	managed := func(f *facts) { f.asked.Managed, f.roleMayExist = &identity.ManagedRole{Policy: "{}"}, true }
	gone := func(f *facts) { f.asked, f.lastGood = nil, nil }
	for name, tc := range map[string]struct {
		happen func(*facts)
		want   decision
	}{
		"fresh credentials are left alone":                  {func(*facts) {}, decision{do: rest}},
		"missing credentials are issued":                    {func(f *facts) { f.have, f.lastGood, f.due = refresh.State{}, nil, refresh.Missing }, decision{do: issue}},
		"credentials about to run out are renewed":          {func(f *facts) { f.due, f.lastGoodDue = refresh.NearExpiry, refresh.NearExpiry }, decision{do: issue}},
		"a change is tried at once":                         {func(f *facts) { f.due = refresh.SpecChanged }, decision{do: issue}},
		"a change comes after the renewal of what runs out": {func(f *facts) { f.due, f.lastGoodDue = refresh.SpecChanged, refresh.NearExpiry }, decision{do: renewLastGood}},
		"which does not hold it up where it fails":          {func(f *facts) { f.due, f.lastGoodDue, f.lastGoodFailed = refresh.SpecChanged, refresh.NearExpiry, true }, decision{do: issue}},
		"nor where nothing is left to lose": {func(f *facts) {
			f.due, f.lastGoodDue = refresh.SpecChanged, refresh.NearExpiry
			f.have.Expiration = f.now
		}, decision{do: issue}},
		"unless the change failed before": {func(f *facts) {
			f.due, f.lastGoodDue, f.failing = refresh.SpecChanged, refresh.NearExpiry, true
			f.have.Expiration = f.now
		}, decision{do: renewLastGood}},
		"a managed role is ensured by a worker for IAM":           {func(f *facts) { managed(f); f.due = refresh.SpecChanged }, decision{do: issue, needsIAM: true}},
		"a managed role is used again without IAM":                {func(f *facts) { managed(f); f.due, f.role = refresh.NearExpiry, fromSecret }, decision{do: issue}},
		"nor for another session policy":                          {func(f *facts) { managed(f); f.due, f.role = refresh.SpecChanged, fromSecret }, decision{do: issue}},
		"a managed role that was just ensured, too":               {func(f *facts) { managed(f); f.due, f.role = refresh.Missing, fromMemory }, decision{do: issue}},
		"a managed role is inspected":                             {func(f *facts) { managed(f); f.inspect = true }, decision{do: inspect, needsIAM: true}},
		"but a renewal comes first":                               {func(f *facts) { managed(f); f.inspect, f.due, f.role = true, refresh.NearExpiry, fromSecret }, decision{do: issue}},
		"a managed role of one that uses another is released":     {func(f *facts) { f.roleMayExist = true }, decision{do: release, needsIAM: true}},
		"but once the other is served":                            {func(f *facts) { f.roleMayExist, f.due = true, refresh.SpecChanged }, decision{do: issue}},
		"what is malformed is refused":                            {func(f *facts) { f.refusal = errMalformed }, decision{do: refuse, refusal: errMalformed}},
		"and what was good before is renewed":                     {func(f *facts) { f.refusal, f.lastGoodDue = errMalformed, refresh.NearExpiry }, decision{do: renewLastGood}},
		"a role that is not permitted is refused":                 {func(f *facts) { f.refusal, f.due = errNotPermitted, refresh.SpecChanged }, decision{do: refuse, refusal: errNotPermitted}},
		"and an edited Secret goes with it":                       {func(f *facts) { f.refusal, f.lastGood, f.have.Edited = errNotPermitted, nil, true }, decision{do: revoke, refusal: errNotPermitted}},
		"credentials that are no longer permitted go":             {func(f *facts) { f.revoked = errNotPermitted }, decision{do: revoke, refusal: errNotPermitted}},
		"whatever else is wrong":                                  {func(f *facts) { f.revoked, f.refusal = errNotPermitted, errMalformed }, decision{do: revoke, refusal: errNotPermitted}},
		"where it is not known what is asked for nothing is done": {func(f *facts) { f.unread = errSTS }, decision{do: fail}},
		"and no managed role is released":                         {func(f *facts) { f.unread, f.roleMayExist = errSTS, true }, decision{do: fail}},
		"but what was good before is renewed":                     {func(f *facts) { f.unread, f.lastGoodDue = errSTS, refresh.NearExpiry }, decision{do: renewLastGood}},
		"where it is not known what is permitted nothing is done": {func(f *facts) { f.unknown, f.due = errSTS, refresh.Missing }, decision{do: fail}},
		"the Secret of nobody goes":                               {gone, decision{do: retire}},
		"with its managed role":                                   {func(f *facts) { gone(f); f.roleMayExist = true }, decision{do: retire, needsIAM: true}},
		"a managed role of nobody goes without a Secret":          {func(f *facts) { gone(f); f.have, f.roleMayExist = refresh.State{}, true }, decision{do: retire, needsIAM: true}},
		"nobody is forgotten":                                     {func(f *facts) { gone(f); f.have = refresh.State{} }, decision{do: forget}},
	} {
		t.Run(name, func(t *testing.T) {
			f := served()
			tc.happen(&f)
			assert.Equal(t, tc.want, decide(f))
		})
	}
}

// choose calls do for every combination of the options.
func choose(t *testing.T, f facts, options [][]func(*facts), do func(facts)) {
	t.Helper()
	if len(options) == 0 {
		do(f)
		return
	}
	for _, option := range options[0] {
		with := f
		if f.asked != nil {
			asked := *f.asked
			with.asked = &asked
		}
		option(&with)
		choose(t, with, options[1:], do)
	}
}

// TestEveryCombinationHasOneDecision walks all combinations of facts and checks what may
// never be decided.
func TestEveryCombinationHasOneDecision(t *testing.T) {
	nothing := func(*facts) {}
	options := [][]func(*facts){
		{nothing, func(f *facts) { f.asked.Managed = &identity.ManagedRole{Policy: "{}"} }, func(f *facts) { f.asked = nil }},
		{nothing, func(f *facts) { f.refusal = errMalformed }, func(f *facts) { f.refusal = errNotPermitted }},
		{nothing, func(f *facts) { f.unread = errSTS }},
		{nothing, func(f *facts) { f.unknown = errSTS }},
		{nothing, func(f *facts) { f.due = refresh.Missing }, func(f *facts) { f.due = refresh.SpecChanged }, func(f *facts) { f.due = refresh.NearExpiry }},
		{nothing, func(f *facts) { f.role = fromSecret }, func(f *facts) { f.role = fromMemory }},
		{nothing, func(f *facts) { f.have = refresh.State{} }, func(f *facts) { f.have.Edited = true }, func(f *facts) { f.have.Expiration = f.now }},
		{nothing, func(f *facts) { f.revoked = errNotPermitted }},
		{nothing, func(f *facts) { f.lastGood = nil }},
		{nothing, func(f *facts) { f.lastGoodDue = refresh.NearExpiry }, func(f *facts) { f.lastGoodDue = refresh.SpecChanged }},
		{nothing, func(f *facts) { f.lastGoodFailed = true }},
		{nothing, func(f *facts) { f.failing = true }},
		{nothing, func(f *facts) { f.roleMayExist = true }},
		{nothing, func(f *facts) { f.inspect = true }},
	}
	all := []action{forget, retire, revoke, renewLastGood, refuse, fail, issue, release, inspect, rest}
	decided, walked := map[action]int{}, 0
	choose(t, served(), options, func(f facts) {
		walked++
		d := decide(f)
		decided[d.do]++
		if problem := wrong(f, d); problem != "" {
			require.Fail(t, problem, "%+v: %+v", f, d)
		}
	})
	assert.Equal(t, 3*3*2*2*4*3*4*2*2*3*2*2*2*2, walked)
	for _, each := range all {
		assert.Positive(t, decided[each], "%s is never decided", each)
	}
	assert.Len(t, decided, len(all))
}

// wrong returns what is wrong with a decision, "" for nothing.
func wrong(f facts, d decision) string {
	gone := f.asked == nil
	for _, invariant := range []struct {
		broken bool
		say    string
	}{
		{d.do == revoke && f.revoked == nil && (f.refusal != errNotPermitted || f.lastGood != nil), "credentials go only with a permission"},
		{f.revoked != nil && !gone && d.do != revoke, "a permission that was withdrawn comes first"},
		{(d.do == retire || d.do == forget) != gone, "what nobody asks for is retired, and nothing else"},
		{d.do == forget && (f.have.Exists || f.roleMayExist), "nothing is left behind"},
		{d.do == issue && (f.due == "" || f.refusal != nil || f.unread != nil || f.unknown != nil), "only what is due and allowed is issued"},
		{d.do == renewLastGood && (f.lastGood == nil || f.lastGoodDue == "" || d.needsIAM), "what was good is renewed without IAM"},
		{(f.refusal != nil || f.unread != nil) && f.lastGood != nil && f.lastGoodDue != "" && !f.lastGoodFailed && !gone && f.revoked == nil && d.do != renewLastGood, "a refusal ends nothing that was good"},
		{(d.do == refuse || d.do == revoke) != (d.refusal != nil), "the object is told why"},
		{(d.do == inspect || d.do == release) && (f.due != "" || f.unread != nil || !d.needsIAM), "a look at IAM delays no renewal"},
		{d.do == rest && (f.due != "" || f.inspect || f.refusal != nil || f.unread != nil), "nothing is left undone"},
	} {
		if invariant.broken {
			return fmt.Sprint("broken: ", invariant.say)
		}
	}
	return ""
}
