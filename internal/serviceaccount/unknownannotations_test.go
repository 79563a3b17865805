package serviceaccount

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

func TestWarningNamesUnknownAnnotations(t *testing.T) {
	const our = api.Prefix
	role := map[string]string{api.RoleAnnotation: "app"}
	own := map[string]string{api.ManagedPoliciesAnnotation: "arn:aws:iam::aws:policy/X"}
	for name, test := range map[string]struct {
		beside, annotations map[string]string
		says                []string
	}{
		"plural":                  {nil, map[string]string{our + "roles": "app"}, []string{our + "roles is not known and has no effect: did you mean " + our + "role?"}},
		"kube2iam's other name":   {nil, map[string]string{our + "role-name": "app"}, []string{our + "role-name is not known", "did you mean " + our + "role?"}},
		"an underscore":           {role, map[string]string{our + "session_duration": "1h"}, []string{"did you mean " + our + "session-duration?"}},
		"capitals":                {nil, map[string]string{our + "Role": "app"}, []string{"did you mean " + our + "role?"}},
		"letters swapped":         {role, map[string]string{our + "reigon": "eu-central-1"}, []string{"did you mean " + our + "region?"}},
		"singular":                {nil, map[string]string{our + "managed-policy": "x"}, []string{"did you mean " + our + "managed-policies?"}},
		"nothing like it":         {role, map[string]string{our + "colour": "blue"}, []string{our + "colour is not known and has no effect: those that are read are role, role-policy, managed-policies, session-duration"}},
		"a namespace's":           {role, map[string]string{our + "allowed-roles": "[]"}, []string{our + "allowed-roles has no effect on a ServiceAccount: it belongs on the Namespace"}},
		"a pod's":                 {role, map[string]string{our + "skip-containers": "a"}, []string{"it belongs on the Pod"}},
		"a Secret's":              {role, map[string]string{our + "spec-hash": "a"}, []string{"the controller writes it on Secrets, remove it here"}},
		"EKS's":                   {nil, map[string]string{api.IRSAAnnotation: "arn:aws:iam::123456789012:role/app"}, []string{api.IRSAAnnotation + " is not read by this controller", "give the role in " + api.RoleAnnotation}},
		"EKS's beside ours":       {role, map[string]string{api.IRSAAnnotation: "arn:aws:iam::123456789012:role/app"}, nil},
		"a duration alone":        {nil, map[string]string{api.SessionDurationAnnotation: "1h"}, []string{"nothing asks for a role, so " + api.SessionDurationAnnotation + " has no effect: add " + api.RoleAnnotation + ", " + api.RolePolicyAnnotation}},
		"two alone":               {nil, map[string]string{api.DeliveryAnnotation: "file", api.RegionAnnotation: "eu-central-1"}, []string{api.RegionAnnotation + ", " + api.DeliveryAnnotation + " has no effect"}},
		"a session policy alone":  {nil, map[string]string{api.SessionPolicyAnnotation: policy}, []string{"nothing asks for a role, so " + api.SessionPolicyAnnotation + " has no effect"}},
		"a deletion policy alone": {nil, map[string]string{api.DeletionPolicyAnnotation: "Retain"}, nil},
		"our own alone":           {nil, map[string]string{api.RoleARNAnnotation: "arn:aws:iam::123456789012:role/app"}, []string{api.RoleARNAnnotation + " is written by the controller and asks for nothing", "give it in " + api.RoleAnnotation}},
		"our own beside a role":   {role, map[string]string{api.RoleARNAnnotation: "arn:aws:iam::123456789012:role/app"}, nil},
		"other tools'":            {nil, map[string]string{"iam.amazonaws.com.example/roles": "x", "example/role": "x", "eks.amazonaws.com/audience": "x"}, nil},
		"a deletion policy":       {role, map[string]string{our + "deletion_policy": "Retain"}, []string{"did you mean " + api.DeletionPolicyAnnotation + "?"}},
		"one said as an error":    {own, map[string]string{our + "deletion_policy": "Retain"}, nil},
		"several": {nil, map[string]string{our + "roles": "app", our + "region": "x", our + "zone": "x"},
			[]string{our + "roles is not known", "; the annotation " + our + "zone is not known", "nothing asks for a role, so " + api.RegionAnnotation}},
	} {
		t.Run(name, func(t *testing.T) {
			annotations := maps.Clone(test.annotations)
			maps.Copy(annotations, test.beside)
			s, i, _ := newSource()
			i.add(t, object(annotations))
			warning := s.Warning(key)
			assert.Equal(t, len(test.says) > 0, warning.Message != "", warning.Message)
			for _, part := range test.says {
				assert.Contains(t, warning.Message, part)
			}
			assert.LessOrEqual(t, len(warning.Message), 1024)
			if warning.Message != "" {
				assert.Equal(t, "UnknownAnnotation", warning.Reason)
				assert.Equal(t, "u1", warning.UID)
				assert.Equal(t, test.beside != nil, warning.Asks)
			}
			for range s.Keys() {
				assert.NotNil(t, test.beside, "what asks for nothing is no identity")
			}
		})
	}
	s, i, _ := newSource()
	assert.Empty(t, s.Warning(key).Message, "no such object")
	leaving := withFinalizers(map[string]string{our + "roles": "app"}, api.Finalizer)
	leaving.DeletionTimestamp = new(metav1.Now())
	i.add(t, leaving)
	assert.Empty(t, s.Warning(key).Message, "one that goes")
}

func TestMisspelledDeletionPolicyBlocksAManagedRole(t *testing.T) {
	for _, name := range []string{
		"deletion_policy", "deletionpolicy", "deletionPolicy", "DeletionPolicy", "deletion-polcy", "deletion-policies", "deletoin-policy",
		"delete-policy", "policy-deletion", "deletion", "retain", "reclaim-policy", "Deletion-Policy",
	} {
		t.Run(name, func(t *testing.T) {
			misspelt := api.Prefix + name
			annotations := map[string]string{
				api.RolePolicyAnnotation: policy, misspelt: "Retain", api.RoleARNAnnotation: "arn:aws:iam::123456789012:role/app",
				api.Prefix + "a": "", api.Prefix + "b": "", api.Prefix + "c": "", // it is kept whatever else there is
			}
			s, i, _ := newSource()
			i.add(t, withFinalizers(annotations, api.Finalizer))
			_, err := s.Desired(t.Context(), key)
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "UnknownAnnotation", invalid.Reason)
			assert.Contains(t, invalid.Message, misspelt+" is not known and may be a misspelling of "+api.DeletionPolicyAnnotation+": rename it, or remove it")
			_, held, retain := s.Finalizer(key)
			assert.True(t, held)
			assert.True(t, retain, "a role is not deleted on the strength of a typing error")

			delete(annotations, api.RolePolicyAnnotation)
			i.add(t, withFinalizers(annotations, api.Finalizer))
			_, _, retain = s.Finalizer(key)
			assert.True(t, retain, "when it is no longer asked for")

			annotations[api.RoleAnnotation] = "app"
			i.add(t, object(annotations))
			_, err = s.Desired(t.Context(), key)
			require.NoError(t, err, "an existing role is never deleted")
		})
	}
	s, i, _ := newSource()
	i.add(t, object(map[string]string{api.RolePolicyAnnotation: policy, api.Prefix + "policy-colour": "{}"}))
	_, err := s.Desired(t.Context(), key)
	require.NoError(t, err, "what is not like it")
}

func TestMisspelledSessionPolicyBlocksEveryRequest(t *testing.T) {
	for _, name := range []string{
		"session_policy", "sessionpolicy", "sessionPolicy", "Session-Policy", "session-polcy", "session-policies", "sesion-policy",
		"policy-session", "session-policy-arns", "inline-session-policy",
	} {
		for request, value := range map[string]string{api.RoleAnnotation: "app", api.RolePolicyAnnotation: policy} {
			t.Run(name+" beside "+request, func(t *testing.T) {
				misspelt := api.Prefix + name
				annotations := map[string]string{
					request: value, misspelt: policy,
					api.Prefix + "a": "", api.Prefix + "deletion": "", api.Prefix + "delete": "", api.Prefix + "retain": "", // it is kept whatever else there is
				}
				s, i, _ := newSource()
				i.add(t, object(annotations))
				_, err := s.Desired(t.Context(), key)
				var invalid *identity.InvalidError
				require.ErrorAs(t, err, &invalid)
				assert.Equal(t, "UnknownAnnotation", invalid.Reason)
				assert.Contains(t, invalid.Message, misspelt+" is not known and may be a misspelling of "+api.SessionPolicyAnnotation+": rename it, or remove it")
				assert.NotContains(t, s.Warning(key).Message, misspelt, "it is said once")

				delete(annotations, misspelt)
				i.add(t, object(annotations))
				_, err = s.Desired(t.Context(), key)
				if err != nil {
					assert.NotContains(t, err.Error(), api.SessionPolicyAnnotation)
				}
			})
		}
		s, i, _ := newSource()
		i.add(t, object(map[string]string{api.Prefix + name: policy}))
		assert.Contains(t, s.Warning(key).Message, "did you mean "+api.SessionPolicyAnnotation+"?", "where nothing is asked for")
	}
	for _, name := range []string{"session", "policy", "session-name", "session-duration-policy-x", "session-time", "permission-policy"} {
		s, i, _ := newSource()
		i.add(t, object(map[string]string{api.RoleAnnotation: "app", api.Prefix + name: policy}))
		_, err := s.Desired(t.Context(), key)
		assert.Equal(t, name == "session-duration-policy-x", err != nil, name)
	}
}

func TestUnknownKeysAreLimited(t *testing.T) {
	annotations := map[string]string{}
	for n := range 4000 {
		annotations[fmt.Sprintf("%s%s%04d", api.Prefix, strings.Repeat("x", 11), n)] = strings.Repeat("y", 200)
	}
	annotations[api.Prefix+strings.Repeat("x", 63)] = "" // the longest there can be
	obj, err := Annotations{}.Transform(object(annotations))
	require.NoError(t, err)
	a, ok := obj.(*account)
	require.True(t, ok)
	assert.Len(t, a.unknown, maxUnknown)
	assert.Empty(t, a.annotations)

	s, i, _ := newSource()
	i.add(t, object(annotations))
	assert.LessOrEqual(t, len(s.Warning(key).Message), 1024)

	obj, err = Annotations{}.Transform(object(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"iam.amazonaws.com/roles":"x"}`}))
	require.NoError(t, err)
	assert.Equal(t, cache.ExplicitKey("ns/app"), obj)
}

func TestWatchReportsChangesOfUnknownKeys(t *testing.T) {
	s, i, _ := newSource()
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	h := i.handlers[0]
	nothing := i.add(t, object(nil))
	one := i.add(t, object(map[string]string{api.Prefix + "roles": "x"}))
	two := i.add(t, object(map[string]string{api.Prefix + "rols": "x"}))
	h.OnUpdate(nothing, one)
	h.OnUpdate(one, two)
	h.OnUpdate(two, two)
	h.OnUpdate(two, nothing)
	assert.Len(t, changed, 3)
}

func TestNoWarningForAServedIRSAAnnotation(t *testing.T) {
	s, i, _ := newSource()
	s.config.IRSAServed = true
	i.add(t, object(map[string]string{api.IRSAAnnotation: "arn:aws:iam::123456789012:role/app"}))
	assert.Empty(t, s.Warning(key).Message)
}
