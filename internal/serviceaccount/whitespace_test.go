package serviceaccount

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// addWhiteSpace adds white space of all kinds around each value.
func addWhiteSpace(annotations map[string]string) map[string]string {
	all := map[string]string{}
	for key, value := range annotations {
		all[key] = "\n \u00a0" + value + "\r\n\t\u3000"
	}
	return all
}

func TestValuesAreTrimmed(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"an existing role": {
			api.RoleAnnotation: "team/app", api.SessionDurationAnnotation: "2h", api.RegionAnnotation: "eu-central-1", api.DeliveryAnnotation: "endpoint", api.DeletionPolicyAnnotation: "Delete",
			api.SessionPolicyAnnotation: policy,
		},
		"a managed role": {
			api.RolePolicyAnnotation: policy, api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/A", api.SessionDurationAnnotation: "7200", api.DeletionPolicyAnnotation: "Delete",
		},
	} {
		t.Run(name, func(t *testing.T) {
			plain, i, _ := newSource()
			i.add(t, withFinalizers(annotations, api.Finalizer))
			want, err := plain.Desired(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, 2*time.Hour, want.SessionDuration)

			s, i, _ := newSource()
			i.add(t, withFinalizers(addWhiteSpace(annotations), api.Finalizer))
			got, err := s.Desired(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			assert.Equal(t, want.SpecHash(), got.SpecHash(), "nothing is renewed for white space")
			_, _, retain := s.Finalizer(key)
			assert.False(t, retain)

			wantGive, err := plain.Injection(t.Context(), "", "ns", "app")
			require.NoError(t, err)
			give, err := s.Injection(t.Context(), "", "ns", "app")
			require.NoError(t, err)
			assert.Equal(t, wantGive, give)
		})
	}
}

func TestLeadingSlashAndTrailingCommaAreIgnored(t *testing.T) {
	s, i, _ := newSource()
	i.add(t, object(map[string]string{api.RoleAnnotation: "/team/app\n"}))
	want, err := s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, "team/app", want.Role.String())
	i.add(t, object(map[string]string{api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/B,\narn:aws:iam::aws:policy/A,\n"}))
	want, err = s.Desired(t.Context(), key)
	require.NoError(t, err)
	assert.Equal(t, []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"}, want.Managed.ManagedPolicies)
}

func FuzzAnnotations(f *testing.F) {
	f.Add("app", "1h", "eu-central-1", "process", "Delete", "", "", "", "deletion_policy")
	f.Add("/a/b\n", "3600", "us-gov-west-1", "none ", "Retain", "{}", "", "{}", "roles")
	f.Add("arn:aws:iam::12345678901:role/a/b", "3600", "us-gov-west-1", "none", "Retain", "{\n,}", "arn:aws:iam::aws:policy/A,", "{", "")
	f.Add("", "15m", "eu-central-1", "file", "Delete", policy, "arn:aws:iam::aws:policy/A,", policy, "eks")
	f.Add("app", "15m", "eu-central-1", "file", "Delete", "", "", policy, "\x7f")
	f.Add("app", "15m", "eu-central-1", "file", "Delete", "", "", strings.Repeat(" ", 3000)+policy, "session_policy")
	f.Add("$(namespace)/$(serviceaccount)", "15m", "eu-central-1", "file", "Delete", "", "", policyWithVariables, "")
	f.Add("", "15m", "", "file", "Delete", policyWithVariables, "arn:$(partition):iam::$(account):policy/$(cluster),", "", "")
	f.Add("$$(namespace)/app", "15m", "$(region)", "file", "Delete", "", "", policyWithVariables+"$(x", "")
	f.Fuzz(func(t *testing.T, role, session, region, delivery, deletion, rolePolicy, managed, sessionPolicy, unknown string) {
		annotations := map[string]string{
			api.SessionDurationAnnotation: session, api.RegionAnnotation: region, api.DeliveryAnnotation: delivery, api.DeletionPolicyAnnotation: deletion,
			api.Prefix + unknown: "x",
		}
		for key, value := range map[string]string{api.RoleAnnotation: role, api.RolePolicyAnnotation: rolePolicy, api.ManagedPoliciesAnnotation: managed, api.SessionPolicyAnnotation: sessionPolicy} {
			if value != "" {
				annotations[key] = value
			}
		}
		s, i, _ := newSource()
		i.add(t, withFinalizers(annotations, api.Finalizer))
		want, err := s.Desired(t.Context(), key)
		_, held, _ := s.Finalizer(key)
		assert.True(t, held)
		requireFitsEvent(t, s.Warning(key).Message)
		if a := s.cached(key); a != nil {
			size := 0
			for _, pair := range a.annotations {
				size += len(pair[0]) + len(pair[1])
			}
			assert.Less(t, size, 64<<10, "the cache is not filled")
		}
		if want == nil {
			assert.False(t, requestsIdentity(annotations))
			return
		}
		var invalid *identity.InvalidError
		if err != nil {
			require.ErrorAs(t, err, &invalid)
			requireFitsEvent(t, invalid.Message)
			return
		}
		assert.NotEqual(t, want.Managed == nil, want.Role.Name == "", "one or the other")
		assert.GreaterOrEqual(t, want.SessionDuration, identity.MinSession)
		assert.LessOrEqual(t, want.SessionDuration, identity.MaxSession)
		assert.Equal(t, sessionPolicy == "", want.SessionPolicy == "", "a limit is never lost")

		// White space around values changes nothing, nor does it to read again what the cache kept.
		i.add(t, withFinalizers(addWhiteSpace(annotations), api.Finalizer))
		again, err := s.Desired(t.Context(), key)
		require.NoError(t, err)
		assert.Equal(t, want, again)
	})
}

// requireFitsEvent requires that a message fits into an event.
func requireFitsEvent(t *testing.T, message string) {
	t.Helper()
	assert.Equal(t, -1, strings.IndexFunc(message, func(r rune) bool { return r < ' ' || r == 0x7f }), "control characters of tenants stay out of events")
}
