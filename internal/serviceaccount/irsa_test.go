package serviceaccount

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

const irsaRole = "arn:aws:iam::123456789012:role/team/app"

// newIRSASource is newSource with api.IRSAAnnotation read.
func newIRSASource(objects ...runtime.Object) (*Source, *informer) {
	s, i, client := newSource()
	rules := Annotations{IRSA: true}
	s.config.Annotations, i.rules = rules, rules
	if len(objects) > 0 {
		_, _, client = newSource(objects...)
		s.client = client
	}
	s.lookups = newLookups(client, rules, maxLookups, 0)
	return s, i
}

func TestIRSAAnnotationRequestsARoleWhereNoneOfOursDoes(t *testing.T) {
	const eks = api.IRSAAnnotation
	for name, test := range map[string]struct {
		annotations map[string]string
		role        string // "" for a managed one
		none        bool
	}{
		"alone":                     {map[string]string{eks: irsaRole}, irsaRole, false},
		"with white space":          {map[string]string{eks: " " + irsaRole + "\n"}, irsaRole, false},
		"with much white space":     {map[string]string{eks: strings.Repeat(" ", maxMalformedValue) + irsaRole}, irsaRole, false},
		"a name":                    {map[string]string{eks: "app"}, "app", false},
		"empty":                     {map[string]string{eks: ""}, "", true},
		"white space":               {map[string]string{eks: " \n\t\u3000"}, "", true},
		"beside our role":           {map[string]string{eks: irsaRole, api.RoleAnnotation: "own"}, "own", false},
		"beside a policy":           {map[string]string{eks: irsaRole, api.RolePolicyAnnotation: policy}, "", false},
		"beside managed policies":   {map[string]string{eks: irsaRole, api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/A"}, "", false},
		"malformed beside our role": {map[string]string{eks: "arn:aws:nonsense", api.RoleAnnotation: "own"}, "own", false},
		"empty beside our role":     {map[string]string{eks: "", api.RoleAnnotation: "own"}, "own", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, i := newIRSASource()
			i.add(t, object(test.annotations))
			want, err := s.Desired(t.Context(), key)
			require.NoError(t, err)
			if test.none {
				assert.Nil(t, want)
				return
			}
			assert.Equal(t, test.role, want.Role.String())
			assert.Equal(t, test.role == "", want.Managed != nil)
			give, err := s.Injection(t.Context(), "", "ns", "app")
			require.NoError(t, err)
			assert.Equal(t, "app.aws-iam", give.SecretName)
		})
	}
}

func TestOurOptionsApplyBesideTheIRSAAnnotation(t *testing.T) {
	s, i := newIRSASource()
	i.add(t, object(map[string]string{api.IRSAAnnotation: irsaRole, api.DeliveryAnnotation: "endpoint", api.SessionDurationAnnotation: "15m"}))
	give, err := s.Injection(t.Context(), "", "ns", "app")
	require.NoError(t, err)
	assert.Equal(t, identity.DeliverEndpoint, give.Delivery)
	assert.Empty(t, s.Warning(key).Message, "they have an effect")
}

func TestMalformedIRSAAnnotationIsNamed(t *testing.T) {
	s, i := newIRSASource()
	i.add(t, object(map[string]string{api.IRSAAnnotation: "arn:aws:iam::123456789012:user/app"}))
	want, err := s.Desired(t.Context(), key)
	var invalid *identity.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, api.InvalidAnnotation, invalid.Reason)
	assert.Contains(t, invalid.Message, api.IRSAAnnotation+": ")
	assert.Contains(t, invalid.Message, "user/app")
	assert.NotNil(t, want, "what was issued stays fresh")
}

func TestIRSAAnnotationIsReadWhereItWasJustWritten(t *testing.T) {
	meta := object(map[string]string{api.IRSAAnnotation: irsaRole})
	s, i := newIRSASource(meta)
	i.add(t, object(nil)) // the cache lags behind
	give, err := s.Injection(t.Context(), "", "ns", "app")
	require.NoError(t, err)
	assert.NotNil(t, give)
	released, err := s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.False(t, released, "it asks for a role")

	s, i, _ = newSource(meta)
	s.lookups = newLookups(s.client, Annotations{}, maxLookups, 0)
	i.add(t, object(nil))
	give, err = s.Injection(t.Context(), "", "ns", "app")
	require.NoError(t, err)
	assert.Nil(t, give, "without the flag it asks for nothing")
	released, err = s.Release(t.Context(), key)
	require.NoError(t, err)
	assert.True(t, released)
}

func TestIRSAAnnotationAloneIsNotCachedWithoutTheFlag(t *testing.T) {
	annotations := map[string]string{api.IRSAAnnotation: irsaRole, api.RoleAnnotation: "own"}
	obj, err := Annotations{}.Transform(object(annotations))
	require.NoError(t, err)
	a, ok := obj.(*account)
	require.True(t, ok)
	assert.Equal(t, map[string]string{api.RoleAnnotation: "own"}, a.annotationMap())
	assert.Equal(t, irsaRole, annotations[api.IRSAAnnotation], "objects of the informer are not changed")

	obj, err = Annotations{IRSA: true}.Transform(object(map[string]string{api.IRSAAnnotation: ""}))
	require.NoError(t, err)
	assert.Equal(t, cache.ExplicitKey("ns/app"), obj)
}

func TestSkippedCountsTheIRSAAnnotation(t *testing.T) {
	for flag, want := range map[bool]bool{true: true, false: false} {
		s, i := newIRSASource()
		s.config.Annotations.IRSA, i.rules.IRSA = flag, flag
		meta := object(map[string]string{api.IRSAAnnotation: irsaRole})
		meta.Labels = map[string]string{api.RequestsLabel: api.RequestsNone}
		i.add(t, meta)
		_, is := s.Skipped(key)
		assert.Equal(t, want, is)
	}
}

func TestWarningNamesWhatOfIRSAHasNoEffect(t *testing.T) {
	const eks = api.IRSAAnnotation
	with := func(more map[string]string) map[string]string {
		more[eks] = irsaRole
		return more
	}
	for name, test := range map[string]struct {
		annotations map[string]string
		says        string
	}{
		"alone":                   {with(map[string]string{}), ""},
		"empty":                   {map[string]string{eks: ""}, ""},
		"beside our role":         {with(map[string]string{api.RoleAnnotation: "own"}), ""},
		"beside a policy":         {with(map[string]string{api.RolePolicyAnnotation: policy}), eks + " has no effect beside " + api.RolePolicyAnnotation},
		"empty beside a policy":   {map[string]string{eks: " ", api.RolePolicyAnnotation: policy}, ""},
		"beside managed policies": {with(map[string]string{api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/A"}), eks + " has no effect beside "},
		"a token's lifetime":      {with(map[string]string{"eks.amazonaws.com/token-expiration": "86400"}), ""},
		"the usual audience":      {with(map[string]string{api.IRSAAudienceAnnotation: "sts.amazonaws.com"}), ""},
		"another audience":        {with(map[string]string{api.IRSAAudienceAnnotation: "example"}), api.IRSAAudienceAnnotation + " has no effect: pods are given credentials, and no token"},
		"regional endpoints":      {with(map[string]string{api.IRSARegionalAnnotation: "true"}), ""},
		"the global endpoint":     {with(map[string]string{api.IRSARegionalAnnotation: "false"}), api.IRSARegionalAnnotation + " has no effect: pods use the STS endpoint of their Region"},
		"no boolean":              {with(map[string]string{api.IRSARegionalAnnotation: "sometimes"}), ""},
		"options of nothing":      {map[string]string{eks: "", api.IRSAAudienceAnnotation: "example", api.IRSARegionalAnnotation: "false"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, i := newIRSASource()
			i.add(t, object(test.annotations))
			warning := s.Warning(key)
			if test.says == "" {
				assert.Empty(t, warning.Message)
				return
			}
			assert.Equal(t, api.UnknownAnnotation, warning.Reason)
			assert.Contains(t, warning.Message, test.says)
			assert.True(t, warning.Asks)
		})
	}
	s, i := newIRSASource()
	s.config.IRSAServed = true
	i.add(t, object(with(map[string]string{api.RolePolicyAnnotation: policy})))
	assert.Empty(t, s.Warning(key).Message, "it has one, by the webhook of EKS")
}

func TestIRSAAnnotationsDisplaceNoMisspeltOnes(t *testing.T) {
	s, i := newIRSASource()
	i.add(t, object(map[string]string{
		api.IRSAAnnotation: irsaRole, api.IRSAAudienceAnnotation: "example", api.IRSARegionalAnnotation: "false",
		api.Prefix + "reigon": "eu-central-1", api.Prefix + "deliverey": "file",
	}))
	message := s.Warning(key).Message
	assert.Contains(t, message, "did you mean "+api.RegionAnnotation)
	assert.Contains(t, message, "did you mean "+api.DeliveryAnnotation)
}

func TestWatchReportsAChangeOfTheIRSAAnnotation(t *testing.T) {
	s, i := newIRSASource()
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	one := i.add(t, object(map[string]string{api.IRSAAnnotation: irsaRole}))
	two := i.add(t, object(map[string]string{api.IRSAAnnotation: irsaRole + "2"}))
	gone := i.add(t, object(map[string]string{api.IRSAAnnotation: ""}))
	i.handlers[0].OnUpdate(one, two)
	i.handlers[0].OnUpdate(two, two)
	i.handlers[0].OnUpdate(two, gone)
	assert.Len(t, changed, 2)
}
