package sts

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestNewMakesNoCall(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.assumer(w.asRole(), Options{AssumeRole: "through", ControllerRoleARN: w.controller, BaseRoleARN: "arn:aws:iam::" + home + ":role/"})
	assert.Empty(t, w.Counts())
}

func TestNewNamesMalformedOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		wantErr string
	}{
		"the base":                    {Options{BaseRoleARN: "a b"}, `"a b" is not a base role ARN`},
		"the role to assume first":    {Options{AssumeRole: "a b"}, `"a b" does not name a role`},
		"the controller's other role": {Options{ControllerRoleARN: "a b"}, `"a b" does not name a role`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(configFor("http://127.0.0.1:1", aws.Credentials{}), tc.options)
			require.ErrorContains(t, err, tc.wantErr)
		})
	}
}

func TestNamesAreResolvedOnTheBase(t *testing.T) {
	govcloud := awssim.Options{Partition: "aws-us-gov"}
	tests := map[string]struct {
		sim              awssim.Options
		base, role, want string
	}{
		"the controller's account":               {awssim.Options{}, "", "app", "arn:aws:iam::" + home + ":role/app"},
		"with a path":                            {awssim.Options{}, "", "team/app", "arn:aws:iam::" + home + ":role/team/app"},
		"its partition":                          {govcloud, "", "app", "arn:aws-us-gov:iam::" + home + ":role/app"},
		"another account":                        {awssim.Options{}, "arn:aws:iam::" + other + ":role/", "app", "arn:aws:iam::" + other + ":role/app"},
		"another path":                           {awssim.Options{}, "arn:aws:iam::" + home + ":role/k8s/", "team/app", "arn:aws:iam::" + home + ":role/k8s/team/app"},
		"the start of a name":                    {awssim.Options{}, "arn:aws:iam::" + home + ":role/kube-", "app", "arn:aws:iam::" + home + ":role/kube-app"},
		"an ARN is what it says":                 {awssim.Options{}, "arn:aws:iam::" + home + ":role/k8s/", "arn:aws:iam::" + other + ":role/app", "arn:aws:iam::" + other + ":role/app"},
		"the same without an option for the ARN": {awssim.Options{}, "", "arn:aws:iam::" + other + ":role/app", "arn:aws:iam::" + other + ":role/app"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.sim)
			a := w.assumer(w.asUser(), Options{BaseRoleARN: tc.base})
			for range 2 {
				_, err := a.Assume(t.Context(), wanting(t, tc.role))
				require.ErrorContains(t, err, "AccessDenied", "there is no such role")
			}
			for _, params := range w.assumptions() {
				assert.Equal(t, tc.want, params["RoleArn"])
			}
			assert.Equal(t, map[string]int{"AssumeRole": 2, "GetCallerIdentity": 1}, w.Counts())
		})
	}
}

func TestControllerRolesAreNotHandedOut(t *testing.T) {
	role := func(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }
	tests := map[string]struct {
		options Options
		role    string
		refused bool
	}{
		"by ARN":                                   {Options{}, role(home, "infra/controller"), true},
		"by path and name":                         {Options{}, "infra/controller", true},
		"by name, on a base with its path":         {Options{BaseRoleARN: role(home, "infra/")}, "controller", true},
		"in capitals":                              {Options{}, "infra/CONTROLLER", true},
		"with another path, which cannot be":       {Options{}, "controller", true},
		"even where it assumes another first":      {Options{AssumeRole: "through"}, "infra/controller", true},
		"the one assumed first":                    {Options{AssumeRole: "through"}, "through", true},
		"the one assumed first, by ARN":            {Options{AssumeRole: "through"}, role(home, "through"), true},
		"the one assumed first, given as an ARN":   {Options{AssumeRole: role(home, "through")}, "Through", true},
		"the one assumed first, on a base":         {Options{AssumeRole: "ough", BaseRoleARN: role(home, "thr")}, role(home, "through"), true},
		"the one that a flag names":                {Options{ControllerRoleARN: role(home, "named")}, "named", true},
		"the one that a flag names, in capitals":   {Options{ControllerRoleARN: role(home, "named")}, role(home, "NAMED"), true},
		"in another namespace than the own":        {Options{ControllerNamespace: "kube-system"}, "infra/controller", true},
		"but in the controller's own namespace":    {Options{ControllerNamespace: "ns"}, "infra/controller", false},
		"the one assumed first, in that namespace": {Options{ControllerNamespace: "ns", AssumeRole: "through"}, "through", false},
		"the one that a flag names, there too":     {Options{ControllerNamespace: "ns", ControllerRoleARN: role(home, "named")}, "named", false},
		"another account's role of that name":      {Options{}, role(other, "controller"), false},
		"a role whose name begins alike":           {Options{}, "controller-2", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			for _, own := range []string{"through", "named", "controller-2"} {
				w.add(awssim.RoleSpec{Name: own, Admin: true, Trust: trusting(home)})
			}
			w.add(awssim.RoleSpec{Account: other, Name: "controller", Trust: trusting(home)})
			if tc.options.ControllerNamespace == "" {
				tc.options.ControllerNamespace = "kube-system"
			}
			a := w.assumer(w.asRole(), tc.options)
			_, err := a.Assume(t.Context(), wanting(t, tc.role))
			if !tc.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "is the controller's own role, which only objects in the controller's own namespace may use")
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid, "what was handed out before is removed")
			assert.Equal(t, api.RoleNotPermitted, invalid.Reason)
			w.requireHarmless(err)
			assert.Zero(t, w.Counts()["AssumeRole"], "STS is not asked")
		})
	}
}

func TestControllerRolesWithoutControllerNamespace(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	for _, namespace := range []string{"ns", ""} {
		want := wanting(t, "infra/controller")
		want.Namespace = namespace
		_, err := w.assumer(w.asRole(), Options{}).Assume(t.Context(), want)
		require.ErrorContains(t, err, "is the controller's own role, which only objects in the controller's own namespace may have, and that is not known: set POD_NAMESPACE")
		var invalid *identity.InvalidError
		assert.NotErrorAs(t, err, &invalid, "the controller may run on what is there")
	}
	assert.Zero(t, w.Counts()["AssumeRole"], "STS is not asked")
}

func TestUserWithTheNameOfARole(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("controller-user")
	_, err := w.assumer(w.asUser(), Options{}).Assume(t.Context(), wanting(t, "controller-user"))
	require.NoError(t, err)
}

func TestBaseWithNamePrefixIsNotARole(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("kube-")
	a := w.assumer(w.asUser(), Options{BaseRoleARN: "arn:aws:iam::" + home + ":role/kube-"})
	_, err := a.Assume(t.Context(), wanting(t, "arn:aws:iam::"+home+":role/kube-"))
	require.NoError(t, err)
}

func TestRolesOfOtherPartitionsAreRejected(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	for _, options := range []Options{{}, {BaseRoleARN: "arn:aws-cn:iam::" + home + ":role/"}} {
		a := w.assumer(w.asRole(), options)
		_, err := a.Assume(t.Context(), wanting(t, "arn:aws-cn:iam::"+other+":role/app"))
		require.EqualError(t, err, "the role is in the partition aws-cn, the controller in aws: roles cannot be assumed across partitions")
	}
	_, err := w.assumer(w.asRole(), Options{BaseRoleARN: "arn:aws-cn:iam::" + home + ":role/"}).Assume(t.Context(), wanting(t, "app"))
	require.ErrorContains(t, err, "roles cannot be assumed across partitions")
	assert.Zero(t, w.Counts()["AssumeRole"])
}

func TestTooLongNameOnTheBaseIsRejected(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	a := w.assumer(w.asRole(), Options{BaseRoleARN: "arn:aws:iam::" + home + ":role/kube-"})
	_, err := a.Assume(t.Context(), wanting(t, strings.Repeat("a", 64)))
	require.ErrorContains(t, err, "does not name a role")
	assert.Zero(t, w.Counts()["AssumeRole"])
}

func TestAssumeRoleIsAssumedFirst(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	through := w.add(awssim.RoleSpec{Path: "/infra/", Name: "through", Admin: true, Trust: trusting(w.controller)})
	w.add(awssim.RoleSpec{Name: "app", Trust: trusting(through, externalID)})
	for name, options := range map[string]Options{
		"by ARN":               {AssumeRole: through},
		"by name":              {AssumeRole: "infra/through"},
		"by name, on the base": {AssumeRole: "through", BaseRoleARN: "arn:aws:iam::" + home + ":role/infra/"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.assumer(w.asRole(), options)
			begin := len(w.Calls())
			for range 3 {
				_, err := a.Assume(t.Context(), wanting(t, "arn:aws:iam::"+home+":role/app"))
				require.NoError(t, err)
			}
			var made []string
			for _, call := range w.Calls()[begin:] {
				made = append(made, call.Action+" "+call.Params["RoleArn"]+" by "+call.Caller)
			}
			controller, chained := "arn:aws:sts::"+home+":assumed-role/controller/i-0123456789", "arn:aws:sts::"+home+":assumed-role/through/kube-aws-iam-controller"
			assert.Equal(t, []string{
				"GetCallerIdentity  by " + controller,
				"AssumeRole " + through + " by " + controller,
				"AssumeRole arn:aws:iam::" + home + ":role/app by " + chained,
				"AssumeRole arn:aws:iam::" + home + ":role/app by " + chained,
				"AssumeRole arn:aws:iam::" + home + ":role/app by " + chained,
			}, made)
		})
	}
}

func TestAssumeRoleMayBeDenied(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	w.add(awssim.RoleSpec{Name: "through", Trust: trusting(other)})
	a := w.assumer(w.asRole(), Options{AssumeRole: "through"})
	_, err := a.Assume(t.Context(), wanting(t, "app"))
	require.ErrorContains(t, err, "AccessDenied")
	require.ErrorContains(t, err, ":role/through", "it says which role refused")
	w.requireHarmless(err)

	w.RemoveRole(home, "through")
	w.add(awssim.RoleSpec{Name: "through", Admin: true, Trust: trusting(home)})
	_, err = a.Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err, "the refusal is not remembered")
}

func TestCallerIdentityIsCached(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	w.Set(awssim.Settings{Latency: new(awssim.Duration(20 * time.Millisecond))})
	a := w.assumer(w.asRole(), Options{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, err := a.Assume(t.Context(), wanting(t, "app"))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Equal(t, map[string]int{"GetCallerIdentity": 1, "AssumeRole": 20}, w.Counts())
}

func TestCallerIdentityErrorsAreNotCached(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetCallerIdentity", Code: "Throttling", Times: 2}}})
	for range 2 {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.ErrorContains(t, err, "ask AWS who the controller is: Throttling: Rate exceeded; ")
	}
	assert.Zero(t, w.Counts()["AssumeRole"], "nothing is assumed by who does not know itself")
	for range 2 {
		_, err := a.Assume(t.Context(), wanting(t, "app"))
		require.NoError(t, err)
	}
	assert.Equal(t, 3, w.Counts()["GetCallerIdentity"])
}

func TestWaitersShareOneHangingRequest(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "GetCallerIdentity", Hang: true}}})
	cfg := configFor(w.URL(), w.asRole())
	cfg.HTTPClient = &http.Client{Timeout: 200 * time.Millisecond}
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	begin := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, failure := a.Assume(t.Context(), wanting(t, "app"))
			assert.Error(t, failure)
		})
	}
	wg.Wait()
	assert.Less(t, time.Since(begin), 2*time.Second, "twenty sequential requests would take four seconds")
}

func TestParseCaller(t *testing.T) {
	tests := map[string]struct {
		arn     string
		want    caller
		wantErr bool
	}{
		"a session of a role": {
			arn: "arn:aws:sts::" + home + ":assumed-role/app/i-0", want: caller{
				partition: "aws", account: home, role: identity.RoleReference{Partition: "aws", Account: home, Name: "app"},
			},
		},
		"a user":          {arn: "arn:aws:iam::" + home + ":user/team/app", want: caller{partition: "aws", account: home}},
		"the root user":   {arn: "arn:aws:iam::" + home + ":root", want: caller{partition: "aws", account: home}},
		"a federated one": {arn: "arn:aws:sts::" + home + ":federated-user/app", want: caller{partition: "aws", account: home}},
		"nothing":         {arn: "", wantErr: true},
		"no ARN":          {arn: strings.Repeat("x", 100_000), wantErr: true},
		"half an ARN":     {arn: "arn:aws:sts", wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseCaller(tc.arn, "AROAID:session")
			if tc.wantErr {
				require.ErrorContains(t, err, "for an ARN")
				assert.Less(t, len(err.Error()), 200)
				return
			}
			require.NoError(t, err)
			tc.want.arn, tc.want.id = tc.arn, "AROAID"
			assert.Equal(t, tc.want, *got)
		})
	}
}
