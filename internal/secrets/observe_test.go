package secrets

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestObserveParsesWhatApplyWrites(t *testing.T) {
	for name, source := range bothSources {
		t.Run(name, func(t *testing.T) {
			want := desired(source)
			secret := newWorld(t).stored(t, want)
			o := observe(source, &secret.ObjectMeta)
			assert.Equal(t, refresh.State{
				Exists: true, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion, RoleARN: creds.RoleARN,
				Expiration: now, Session: time.Hour, SpecHash: want.SpecHash(),
			}, o.State)
			assert.False(t, o.noLabels)
			assert.False(t, o.noAnnotations)
			key, err := cache.MetaNamespaceKeyFunc(o)
			require.NoError(t, err)
			assert.Equal(t, "ns/"+want.SecretName, key)
			assert.Equal(t, secret.UID, o.GetObjectMeta().GetUID())
			assert.Equal(t, secret.ResourceVersion, o.GetObjectMeta().GetResourceVersion())
		})
	}
}

func TestObserveWithoutLabelsAndAnnotations(t *testing.T) {
	o := observe(identity.AWSIAMRole, &metav1.ObjectMeta{Namespace: "ns", Name: "app", UID: "u", ResourceVersion: "1"})
	assert.Equal(t, &observation{
		namespace: "ns", name: "app", noAnnotations: true, noLabels: true,
		State: refresh.State{Exists: true, UID: "u", ResourceVersion: "1", Edited: true},
	}, o)
}

func TestParseTimes(t *testing.T) {
	const good = "2030-01-02T03:04:05Z"
	tests := map[string]struct {
		expiration, session string
		at                  time.Time
		lasts               time.Duration
		unreadable          string
	}{
		"both":                         {expiration: good, session: "3600", at: now, lasts: time.Hour},
		"another zone":                 {expiration: "2030-01-02T04:04:05+01:00", session: "3600", at: now, lasts: time.Hour},
		"the predecessor's":            {},
		"no expiration":                {session: "3600"},
		"no session":                   {expiration: good, at: now},
		"a session with a unit":        {expiration: good, session: "1h", at: now},
		"a negative session":           {expiration: good, session: "-3600", at: now},
		"a session with a sign":        {expiration: good, session: "+3600", at: now},
		"a session of more than fits":  {expiration: good, session: "2147483648", at: now},
		"a session of words":           {expiration: good, session: strings.Repeat("9", 300_000), at: now},
		"an expiration of words":       {expiration: "tomorrow", session: "3600", unreadable: `tomorrow`},
		"a date":                       {expiration: "2030-01-02", session: "3600", unreadable: `2030-01-02`},
		"seconds":                      {expiration: "1893553445", session: "3600", unreadable: `1893553445`},
		"no such day":                  {expiration: "2030-02-30T03:04:05Z", session: "3600", unreadable: `2030-02-30T03:04:05Z`},
		"a space at the end":           {expiration: good + " ", session: "3600", unreadable: `2030-01-02T03:04:05Z `},
		"a control character":          {expiration: "\x00", unreadable: `"\x00"`},
		"more than a message may hold": {expiration: strings.Repeat("a", 300_000), unreadable: `"` + strings.Repeat("a", 100) + `"… (300000 bytes)`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			notes := map[string]string{}
			if tc.expiration != "" {
				notes["iam.amazonaws.com/expiration"] = tc.expiration
			}
			if tc.session != "" {
				notes["iam.amazonaws.com/session-duration"] = tc.session
			}
			o := observe(identity.ServiceAccount, &metav1.ObjectMeta{Annotations: notes})
			assert.Equal(t, tc.at, o.Expiration)
			assert.Equal(t, tc.lasts, o.Session)
			assert.Equal(t, tc.unreadable, o.Unreadable)
		})
	}
}

func TestCacheSizeIsLimited(t *testing.T) {
	// The longest there is: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html.
	longest := "arn:aws-abcdefgh-abcdefgh-abcdefgh:iam::123456789012:role/" + strings.Repeat("p", 510) + "/" + strings.Repeat("n", 64)
	_, err := identity.ParseRole(longest)
	require.NoError(t, err)
	hash := strings.Repeat("a", 64)
	for _, tc := range []struct{ arn, hash, wantARN, wantHash string }{
		{longest, hash, longest, hash},
		{longest + strings.Repeat("n", 20), hash + "a", "", ""},
	} {
		o := observe(identity.ServiceAccount, &metav1.ObjectMeta{Annotations: map[string]string{
			"iam.amazonaws.com/role-arn": tc.arn, "iam.amazonaws.com/spec-hash": tc.hash,
		}})
		assert.Equal(t, tc.wantARN, o.RoleARN)
		assert.Equal(t, tc.wantHash, o.SpecHash)
	}
}

func TestTransformKeepsOtherObjects(t *testing.T) {
	transform := Transform(identity.AWSIAMRole)
	made, err := transform(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}})
	require.NoError(t, err)
	for _, obj := range []any{made, nil, "x", cache.DeletedFinalStateUnknown{Key: "ns/app"}} {
		again, failed := transform(obj)
		require.NoError(t, failed)
		assert.Equal(t, obj, again)
	}
	again, err := transform(made)
	require.NoError(t, err)
	assert.Same(t, made, again)
}

var looksLikeATime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d?:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)$`)

func FuzzObserve(f *testing.F) {
	const fields = `{"f:data":{".":{},"f:expire":{}},"f:metadata":{"f:annotations":{"f:iam.amazonaws.com/expiration":{}},"f:ownerReferences":{}}}`
	f.Add("ns", "app.aws-iam", "1", "2030-01-02T03:04:05Z", "3600", "arn:aws:iam::123456789012:role/app", "81efecc54aeb1c25", api.ControllerName, []byte(fields))
	f.Add("", "", "", "", "", "", "", "", []byte(nil))
	f.Add("ns", "app", "0", "2030-01-02T03:04:05+23:59", "2147483647", "x", "x", "kubectl", []byte(`{"f:metadata":5,"f:data":{"f:x":null}}`))
	f.Add("ns", "app", "-1", "9999-99-99T99:99:99Z", "-1", "\xff", "\x00", api.ControllerName, []byte(`{"f:data":[[[[`))
	f.Fuzz(func(t *testing.T, namespace, name, version, expiration, session, role, hash, manager string, raw []byte) {
		meta := &metav1.ObjectMeta{
			Namespace: namespace, Name: name, UID: "u", ResourceVersion: version,
			Labels: map[string]string{hash: role, api.SourceLabel: session},
			Annotations: map[string]string{
				api.ExpirationAnnotation: expiration, api.SessionDurationAnnotation: session, api.RoleARNAnnotation: role, api.SpecHashAnnotation: hash,
			},
			OwnerReferences: []metav1.OwnerReference{{Name: name, UID: "owner-uid"}},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: manager, FieldsV1: metav1.NewFieldsV1(string(raw))}, {}},
		}
		for _, source := range bothSources {
			_ = isOurs(desired(source), meta)
			o := observe(source, meta)
			if !o.Exists || o.namespace != namespace || o.name != name || o.ResourceVersion != version {
				t.Fatalf("came back as %+v", o)
			}
			at, err := time.Parse(time.RFC3339, expiration)
			switch {
			case !o.Expiration.IsZero() && !looksLikeATime.MatchString(expiration), err != nil && (!o.Expiration.IsZero() || o.Session != 0):
				t.Fatalf("believed %q", expiration)
			case err == nil && !o.Expiration.Equal(at):
				t.Fatalf("took %q for %s", expiration, o.Expiration)
			case (o.Unreadable != "") != (err != nil && expiration != ""):
				t.Fatalf("unreadable is %q of %q", o.Unreadable, expiration)
			case o.Session < 0 || o.Session%time.Second != 0:
				t.Fatalf("a session of %s", o.Session)
			case o.Session != 0 && strings.TrimLeft(session, "0") != fmt.Sprint(int64(o.Session/time.Second)):
				t.Fatalf("took %q for %s", session, o.Session)
			case len(o.Unreadable) > 1000 || len(o.RoleARN) > maxARN || len(o.SpecHash) > 64:
				t.Fatalf("kept %d, %d and %d bytes", len(o.Unreadable), len(o.RoleARN), len(o.SpecHash))
			case manager != api.ControllerName && !o.Edited:
				t.Fatal("a Secret that we did not write counts as ours as it was")
			}
		}
	})
}
