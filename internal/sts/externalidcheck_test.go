package sts

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestRefusesOthers(t *testing.T) {
	const like = `,"Condition":{"StringLike":{"sts:ExternalId":"*/cluster"}}`
	for name, tc := range map[string]struct {
		condition string
		refuses   bool
	}{
		"a role that asks for the external ID":           {`,"Condition":{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}`, true},
		"a role that asks for nothing":                   {"", false},
		"a role that asks only where there is one":       {`,"Condition":{"StringEqualsIfExists":{"sts:ExternalId":"` + externalID + `"}}`, true},
		"a role that takes any namespace of the cluster": {like, false},
		"a role that only wants one":                     {`,"Condition":{"Null":{"sts:ExternalId":"false"}}`, false},
		"a role that refuses all but one":                {`,"Condition":{"StringNotEquals":{"sts:ExternalId":"other/cluster"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			w.add(awssim.RoleSpec{Name: "app", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` +
				home + `"},"Action":"sts:AssumeRole"` + tc.condition + `}]}`})
			refuses, err := w.assumer(w.asRole(), Options{ClusterName: "cluster"}).EnforcesExternalID(t.Context(), wanting(t, "app"))
			require.NoError(t, err)
			assert.Equal(t, tc.refuses, refuses)
		})
	}
}

func TestRefusesOthersReturnsErrors(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{ClusterName: "cluster"})
	for _, code := range []string{"ExpiredToken", "InternalFailure", "RegionDisabledException"} {
		w.Set(awssim.Settings{Faults: &[]awssim.Fault{{Action: "AssumeRole", Code: code}}})
		_, err := a.EnforcesExternalID(t.Context(), wanting(t, "app"))
		require.ErrorContains(t, err, code)
		w.requireHarmless(err)
	}
}

func TestRefusesOthersUsesRandomExternalIDs(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	a := w.assumer(w.asRole(), Options{ClusterName: "cluster"})
	for range 2 {
		_, err := a.EnforcesExternalID(t.Context(), wanting(t, "app"))
		require.NoError(t, err)
	}
	tries := w.assumptions()
	require.Len(t, tries, 2)
	assert.NotEqual(t, tries[0]["ExternalId"], tries[1]["ExternalId"])
	assert.Regexp(t, `^[A-Z2-7]{26}/cluster$`, tries[0]["ExternalId"])
	assert.Equal(t, "900", tries[0]["DurationSeconds"])
}

func TestDeniedTagsDoNotProveExternalIDs(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.add(awssim.RoleSpec{Name: "open", Trust: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + home + `"},"Action":"sts:AssumeRole"}]}`})
	_, err := w.assumer(w.asRole(), Options{ClusterName: "cluster", SessionTags: true}).EnforcesExternalID(t.Context(), wanting(t, "open"))
	require.ErrorContains(t, err, "sts:TagSession")
}

func TestDenialsByOtherPoliciesDoNotProveExternalIDs(t *testing.T) {
	for _, said := range []string{
		"sts:SetSourceIdentity on resource: app",
		"sts:AssumeRole on resource: app with an explicit deny in an identity-based policy",
		"sts:AssumeRole on resource: app because no permissions boundary allows the sts:AssumeRole action",
		"sts:AssumeRole on resource: app with an explicit deny in a session policy",
		"sts:AssumeRole on resource: app with an explicit deny in a service control policy",
		"sts:AssumeRole on resource: app because no VPC endpoint policy allows the sts:AssumeRole action",
	} {
		t.Run(said, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			w.Set(errorResponse("AccessDenied", "User: me is not authorized to perform: "+said))
			_, err := w.assumer(w.asRole(), Options{ClusterName: "cluster"}).EnforcesExternalID(t.Context(), wanting(t, "app"))
			require.ErrorContains(t, err, "AccessDenied")
		})
	}
}

func TestControllerRolesNeedNoExternalIDInTheirNamespace(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	want := wanting(t, w.controller)
	a := w.assumer(w.asRole(), Options{ClusterName: "cluster", ControllerNamespace: want.Namespace})
	refuses, err := a.EnforcesExternalID(t.Context(), want)
	require.NoError(t, err)
	assert.True(t, refuses, "no other namespace may have it")
	assert.Zero(t, w.Counts()["AssumeRole"])
}

func TestMayRunOn(t *testing.T) {
	for name, tc := range map[string]struct {
		own, namespace string
		role           func(*world) string
		want           bool
		calls          int
	}{
		"its role in its namespace":                 {"infra", "infra", func(w *world) string { return w.controller }, true, 1},
		"its role where its namespace is not known": {"", "team", func(w *world) string { return w.controller }, true, 1},
		"its role in another namespace":             {"infra", "team", func(w *world) string { return w.controller }, false, 0},
		"another role in its namespace":             {"infra", "infra", func(*world) string { return "arn:aws:iam::" + home + ":role/app" }, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, awssim.Options{})
			role, err := identity.ParseRole(tc.role(w))
			require.NoError(t, err)
			runs, err := w.assumer(w.asRole(), Options{ControllerNamespace: tc.own}).MayRunOn(t.Context(), tc.namespace, role)
			require.NoError(t, err)
			assert.Equal(t, tc.want, runs)
			assert.Equal(t, tc.calls, w.Counts()["GetCallerIdentity"])
		})
	}
}
