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

	"kube-aws-iam-controller/internal/identity"
)

func TestWhatIsMisspeltIsSaid(t *testing.T) {
	const our = identity.Prefix
	role := map[string]string{roleAnnotation: "app"}
	own := map[string]string{managedPoliciesAnnotation: "arn:aws:iam::aws:policy/X"}
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
		"EKS's":                   {nil, map[string]string{irsaAnnotation: "arn:aws:iam::123456789012:role/app"}, []string{irsaAnnotation + " is not read by this controller", "give the role in " + roleAnnotation}},
		"EKS's beside ours":       {role, map[string]string{irsaAnnotation: "arn:aws:iam::123456789012:role/app"}, nil},
		"a duration alone":        {nil, map[string]string{sessionAnnotation: "1h"}, []string{"nothing asks for a role, so " + sessionAnnotation + " has no effect: add " + roleAnnotation + ", " + rolePolicyAnnotation}},
		"two alone":               {nil, map[string]string{deliveryAnnotation: "file", regionAnnotation: "eu-central-1"}, []string{regionAnnotation + ", " + deliveryAnnotation + " has no effect"}},
		"a deletion policy alone": {nil, map[string]string{deletionPolicyAnnotation: "Retain"}, nil},
		"our own alone":           {nil, map[string]string{roleARNAnnotation: "arn:aws:iam::123456789012:role/app"}, []string{roleARNAnnotation + " is written by the controller and asks for nothing", "give it in " + roleAnnotation}},
		"our own beside a role":   {role, map[string]string{roleARNAnnotation: "arn:aws:iam::123456789012:role/app"}, nil},
		"other tools'":            {nil, map[string]string{"iam.amazonaws.com.example/roles": "x", "example/role": "x", "eks.amazonaws.com/audience": "x"}, nil},
		"a deletion policy":       {role, map[string]string{our + "deletion_policy": "Retain"}, []string{"did you mean " + deletionPolicyAnnotation + "?"}},
		"one said as an error":    {own, map[string]string{our + "deletion_policy": "Retain"}, nil},
		"several": {nil, map[string]string{our + "roles": "app", our + "region": "x", our + "zone": "x"},
			[]string{our + "roles is not known", "; the annotation " + our + "zone is not known", "nothing asks for a role, so " + regionAnnotation}},
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
	leaving := holding(map[string]string{our + "roles": "app"}, finalizer)
	leaving.DeletionTimestamp = new(metav1.Now())
	i.add(t, leaving)
	assert.Empty(t, s.Warning(key).Message, "one that goes")
}

func TestNoRoleIsMadeBesideAMisspeltDeletionPolicy(t *testing.T) {
	for _, name := range []string{
		"deletion_policy", "deletionpolicy", "deletionPolicy", "DeletionPolicy", "deletion-polcy", "deletion-policies", "deletoin-policy",
		"delete-policy", "policy-deletion", "deletion", "retain", "reclaim-policy", "Deletion-Policy",
	} {
		t.Run(name, func(t *testing.T) {
			misspelt := identity.Prefix + name
			annotations := map[string]string{
				rolePolicyAnnotation: policy, misspelt: "Retain", roleARNAnnotation: "arn:aws:iam::123456789012:role/app",
				identity.Prefix + "a": "", identity.Prefix + "b": "", identity.Prefix + "c": "", // it is kept whatever else there is
			}
			s, i, _ := newSource()
			i.add(t, holding(annotations, finalizer))
			_, err := s.Desired(key)
			var invalid *identity.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, "UnknownAnnotation", invalid.Reason)
			assert.Contains(t, invalid.Message, misspelt+" is not known and may be a misspelt "+deletionPolicyAnnotation+": rename it, or remove it")
			_, held, retain := s.Held(key)
			assert.True(t, held)
			assert.True(t, retain, "a role is not deleted on the strength of a typing error")

			delete(annotations, rolePolicyAnnotation)
			i.add(t, holding(annotations, finalizer))
			_, _, retain = s.Held(key)
			assert.True(t, retain, "when it is no longer asked for")

			annotations[roleAnnotation] = "app"
			i.add(t, object(annotations))
			_, err = s.Desired(key)
			require.NoError(t, err, "an existing role is never deleted")
		})
	}
	s, i, _ := newSource()
	i.add(t, object(map[string]string{rolePolicyAnnotation: policy, identity.Prefix + "session-policy": "{}"}))
	_, err := s.Desired(key)
	require.NoError(t, err, "what is not like it")
}

func TestTheCacheKeepsLittleOfWhatIsNotKnown(t *testing.T) {
	annotations := map[string]string{}
	for n := range 4000 {
		annotations[fmt.Sprintf("%s%s%04d", identity.Prefix, strings.Repeat("x", 11), n)] = strings.Repeat("y", 200)
	}
	annotations[identity.Prefix+strings.Repeat("x", 63)] = "" // the longest there can be
	obj, err := Transform(object(annotations))
	require.NoError(t, err)
	a, ok := obj.(*account)
	require.True(t, ok)
	assert.Len(t, a.unknown, maxUnknown)
	assert.Empty(t, a.annotations)

	s, i, _ := newSource()
	i.add(t, object(annotations))
	assert.LessOrEqual(t, len(s.Warning(key).Message), 1024)

	obj, err = Transform(object(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"iam.amazonaws.com/roles":"x"}`}))
	require.NoError(t, err)
	assert.Equal(t, cache.ExplicitKey("ns/app"), obj)
}

func TestATypingErrorThatComesOrGoesIsNoticed(t *testing.T) {
	s, i, _ := newSource()
	var changed []identity.Key
	require.NoError(t, s.Watch(func(k identity.Key) { changed = append(changed, k) }))
	h := i.handlers[0]
	nothing := i.add(t, object(nil))
	one := i.add(t, object(map[string]string{identity.Prefix + "roles": "x"}))
	two := i.add(t, object(map[string]string{identity.Prefix + "rols": "x"}))
	h.OnUpdate(nothing, one)
	h.OnUpdate(one, two)
	h.OnUpdate(two, two)
	h.OnUpdate(two, nothing)
	assert.Len(t, changed, 3)
}

func TestNothingIsSaidOfEKSsAnnotationWhereItIsRead(t *testing.T) {
	s, i, _ := newSource()
	s.config.IRSAServed = true
	i.add(t, object(map[string]string{irsaAnnotation: "arn:aws:iam::123456789012:role/app"}))
	assert.Empty(t, s.Warning(key).Message)
}
