package sts

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestDenialsAreExplained(t *testing.T) {
	const (
		missing = "arn:aws:iam::" + home + ":role/no-such-role"
		under   = `under the external ID "ns/cluster": `
	)
	compare := func(principal string) string {
		return "check its path and name, letter case included, and compare its trust policy with what " +
			"'kube-aws-iam-controller trust-policy ns --cluster-name=cluster" + principal + "' prints"
	}
	through, user := "arn:aws:iam::"+home+":role/infra/through", "arn:aws:iam::"+home+":user/controller-user"
	tests := map[string]struct {
		options Options
		user    bool
		known   bool // its principal was asked for before
		role    string
		says    string
	}{
		"to a role whose path is not known": {options: Options{ClusterName: "cluster"}, role: missing,
			says: "the role does not exist in account " + home + ", or does not trust the role named controller of account " + home + " (this controller) " + under + compare("")},
		"to a role that a flag names": {options: Options{ClusterName: "cluster", ControllerRoleARN: "arn:aws:iam::" + home + ":role/infra/controller"}, role: missing,
			says: "trust arn:aws:iam::" + home + ":role/infra/controller (this controller) " + under + compare(" --controller-role-arn=arn:aws:iam::"+home+":role/infra/controller")},
		"where a flag names another role": {options: Options{ClusterName: "cluster", ControllerRoleARN: "arn:aws:iam::" + home + ":role/infra/other"}, role: missing,
			says: "trust the role named controller of account " + home + " (this controller) " + under},
		"to a role that is known": {options: Options{ClusterName: "cluster"}, known: true, role: missing,
			says: "trust arn:aws:iam::" + home + ":role/infra/controller (this controller) " + under},
		"to a user": {options: Options{ClusterName: "cluster"}, user: true, role: missing,
			says: "trust " + user + " (this controller) " + under + compare(" --controller-role-arn="+user)},
		"to the role of --assume-role": {options: Options{ClusterName: "cluster", AssumeRole: "infra/through"}, role: missing,
			says: "trust " + through + " (this controller) " + under + compare(" --controller-role-arn="+through)},
		"that was asked for by its name": {options: Options{ClusterName: "cluster"}, role: "no-such-role",
			says: "the role " + missing + " does not exist in account " + home},
		"of another account": {options: Options{ClusterName: "cluster"}, role: "arn:aws:iam::" + other + ":role/app",
			says: "the role does not exist in account " + other},
		"of a cluster without a name": {role: missing, says: under + "check its path and name, letter case included, and check that its trust policy allows exactly that"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			w.add(awssim.RoleSpec{Path: "/infra/", Name: "through", Admin: true, Trust: trusting(w.controller)})
			creds := w.asRole()
			if tc.user {
				creds = w.asUser()
			}
			a := w.assumer(creds, tc.options)
			if tc.known {
				_, err := a.Principal(t.Context())
				require.NoError(t, err)
			}
			_, err := a.Assume(t.Context(), wanting(t, tc.role))
			calls := len(w.Calls())
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, "AccessDenied: the role ", "AWS's code comes first")
			require.ErrorContains(t, err, "is not authorized to perform: sts:AssumeRole on resource: ", "AWS's own words stay")
			require.ErrorIs(t, err, identity.ErrNotAssumable)
			w.requireHarmless(err)
			_, again := a.Assume(t.Context(), wanting(t, tc.role))
			require.EqualError(t, again, err.Error())
			assert.Len(t, w.Calls(), calls+1, "to explain it takes no call")
		})
	}
}

func TestDenialOfAManagedRole(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	want := wanting(t, "arn:aws:iam::"+home+":role/own")
	want.Managed = &identity.ManagedRole{}
	_, err := w.assumer(w.asRole(), Options{ClusterName: "cluster"}).Assume(t.Context(), want)
	require.ErrorContains(t, err, `under the external ID "ns/cluster" and the session name "ns.app": it is not ready yet, or its trust policy was changed, which will be corrected; it is retried`)
	assert.NotContains(t, err.Error(), "trust-policy ns", "there is nothing for the ServiceAccount's owner to do in IAM")
	require.ErrorIs(t, err, identity.ErrNotAssumable)
}

// errorResponse is an error response of AssumeRole.
func errorResponse(code, message string) awssim.Settings {
	return awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: code, Message: message, Status: http.StatusForbidden}}}
}

func TestPermanentDenials(t *testing.T) {
	const denied = "User: arn:aws:sts::" + home + ":assumed-role/controller/i-0123456789 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::" + other + ":role/app "
	for name, tc := range map[string]struct{ code, message, says string }{
		"the controller's own permissions": {"AccessDenied", denied + "because no identity-based policy allows the sts:AssumeRole action",
			"AccessDenied: the controller's own permissions do not allow it to assume arn:aws:iam::" + other + ":role/app: its administrator has to allow sts:AssumeRole"},
		"the controller's boundary": {"AccessDenied", denied + "because no permissions boundary allows the sts:AssumeRole action", "the controller's own permissions do not allow it"},
		"an organization":           {"AccessDenied", denied + "with an explicit deny in a service control policy", "a service control policy forbids the role named controller"},
		"a VPC endpoint":            {"AccessDenied", denied + "because no VPC endpoint policy allows the sts:AssumeRole action", "a VPC endpoint policy forbids"},
		"credentials that ran out":  {"ExpiredToken", "The security token included in the request is expired", "the controller's own credentials, not the ServiceAccount's"},
		"a Region without STS":      {"RegionDisabledException", "STS is not activated in this region for account:" + other + ". Your account administrator can activate STS in this region using the IAM Console.", "activate STS for this Region"},
		"a large session policy":    {"PackedPolicyTooLarge", "Packed policy consumes 157% of allotted space, please use smaller policy.", "the size of session policy and session tags together once STS has packed them"},
		"too many tags":             {"PackedPolicyTooLarge", "Packed size of session tags consumes 112% of allotted space.", "--session-tags"},
		"throttling":                {"Throttling", "Rate exceeded", "it is retried within five minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			a := w.assumer(w.asRole(), Options{ClusterName: "cluster"})
			w.Set(errorResponse(tc.code, tc.message))
			_, err := a.Assume(t.Context(), wanting(t, "arn:aws:iam::"+other+":role/app"))
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, strings.TrimRight(tc.message, ". "), "AWS's own words stay")
			require.NotErrorIs(t, err, identity.ErrNotAssumable)
			w.requireHarmless(err)
		})
	}
}

func TestDenialsByOtherPoliciesThanTheRolesAreNotTheRoles(t *testing.T) {
	for reason, ofRole := range map[string]bool{
		"":                                      true,
		"because no resource-based policy %s":   true,
		"because no identity-based policy %s":   true, // without a trust policy that names the controller, it takes one of these
		"because no resource control policy %s": true,
		"with an explicit deny in a resource-based policy":   true,
		"with an explicit deny in a resource control policy": true,
		"with an explicit deny in an identity-based policy":  false,
		"because no permissions boundary %s":                 false,
		"with an explicit deny in a permissions boundary":    false,
		"because no session policy %s":                       false,
		"with an explicit deny in a session policy":          false,
		"because no service control policy %s":               false,
		"with an explicit deny in a service control policy":  false,
		"because no VPC endpoint policy %s":                  false,
		"with an explicit deny in a VPC endpoint policy":     false,
	} {
		for _, action := range []string{"AssumeRole", "TagSession", "SetSourceIdentity"} {
			said := "User: me is not authorized to perform: sts:" + action + " on resource: app " + strings.ReplaceAll(reason, "%s", "allows the sts:"+action+" action")
			t.Run(said, func(t *testing.T) {
				w := newWorld(t, awssim.Options{})
				w.Set(errorResponse("AccessDenied", said))
				_, err := w.assumer(w.asRole(), Options{}).Assume(t.Context(), wanting(t, "app"))
				mayBeRole := errors.Is(err, identity.ErrRoleUnfit) || errors.Is(err, identity.ErrNotAssumable)
				assert.Equal(t, ofRole, mayBeRole, "of these alone IAM is asked about the role: %v", err)
				assert.NotErrorIs(t, err, identity.ErrOutage, "it may name single roles")
			})
		}
	}
}

func TestTagAdvice(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	refusal := errorResponse("AccessDenied", "User: arn:aws:sts::"+home+":assumed-role/controller/i is not authorized to perform: sts:TagSession on resource: arn:aws:iam::"+home+":role/app")
	for name, tc := range map[string]struct {
		tags bool
		says string
	}{
		"its own":              {true, "or run the controller without --session-tags"},
		"those of its session": {false, "or disable session tags on the controller's EKS Pod Identity association"},
	} {
		t.Run(name, func(t *testing.T) {
			w.Set(refusal)
			_, err := w.assumer(w.asRole(), Options{SessionTags: tc.tags, ClusterName: "cluster"}).Assume(t.Context(), wanting(t, "app"))
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, "have the role's trust policy allow sts:TagSession")
			require.NotErrorIs(t, err, identity.ErrNotAssumable, "no role grants that by and by")
			require.ErrorIs(t, err, identity.ErrRoleUnfit)
		})
	}
}

func TestRecreatedRoleIsNotAssumableYet(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	want := wanting(t, "app")
	want.RoleID = "AROAOTHER"
	_, err := w.assumer(w.asRole(), Options{}).Assume(t.Context(), want)
	require.ErrorIs(t, err, identity.ErrNotAssumable)
}

func TestLongestRefusalFitsAnEvent(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	path := strings.Repeat("p", 500)
	a := w.assumer(w.asUser(), Options{ClusterName: strings.Repeat("c", 100), AssumeRole: path + "/through", ControllerRoleARN: w.controller})
	w.add(awssim.RoleSpec{Path: "/" + path + "/", Name: "through", Admin: true, Trust: trusting(home)})
	want := wanting(t, "app")
	want.Namespace, want.ExternalID = strings.Repeat("n", 63), strings.Repeat("n", 63)+"/"+strings.Repeat("c", 100)
	_, err := a.Assume(t.Context(), want)
	w.requireHarmless(err)
	require.ErrorContains(t, err, "does not exist in account "+home+", or does not trust ")
}

func TestCredentialErrorsDoNotProveARoleRejects(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	w.add(awssim.RoleSpec{Name: "through", Trust: trusting(other)})
	a := w.assumer(w.asRole(), Options{AssumeRole: "through", ClusterName: "cluster"})
	refuses, err := a.EnforcesExternalID(t.Context(), wanting(t, "app"))
	require.ErrorContains(t, err, "the role of --assume-role cannot be assumed: AccessDenied: ")
	assert.False(t, refuses)
	_, err = a.Assume(t.Context(), wanting(t, "app"))
	require.ErrorContains(t, err, "have its trust policy allow the controller")
	require.NotErrorIs(t, err, identity.ErrNotAssumable)
}

func TestTooLongSessionIsNamed(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.add(awssim.RoleSpec{Name: "short", Trust: trusting(home, externalID)})
	want := wanting(t, "short")
	want.SessionDuration = 2 * time.Hour
	_, err := w.assumer(w.asUser(), Options{}).Assume(t.Context(), want)
	require.ErrorContains(t, err, "a session of 2h0m0s was asked for: ValidationError: ")
	require.ErrorContains(t, err, "raise the role's maximum session duration")
	require.ErrorIs(t, err, identity.ErrRoleUnfit)
}

func TestRefusedSourceIdentityIsExplained(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.add(awssim.RoleSpec{Name: "app", Trust: trusting(w.controller)})
	creds, err := w.RolesAnywhereCredentials(home, "controller", "the controller", time.Hour)
	require.NoError(t, err)
	_, err = w.assumer(creds, Options{}).Assume(t.Context(), wanting(t, "app"))
	require.ErrorIs(t, err, identity.ErrRoleUnfit)
	require.NotErrorIs(t, err, identity.ErrNotAssumable)
	require.ErrorContains(t, err, "is not authorized to perform: sts:SetSourceIdentity")
	assert.ErrorContains(t, err, "have the trust policy of the role, and the controller's own policy, allow sts:SetSourceIdentity")
}
