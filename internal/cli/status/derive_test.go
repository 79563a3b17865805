package status

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/serviceaccount"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

const roleARN = "arn:aws:iam::123456789012:role/team/app"

// controllerOf is one for all namespaces of a cluster.
func controllerOf(cluster string) *installation.Controller {
	return &installation.Controller{
		Deployment: &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-aws-iam-controller"}},
		Container:  &corev1.Container{},
		Config:     config.Config{ClusterName: cluster, RefreshLimit: 20 * time.Minute},
	}
}

func settingsFor(t *testing.T, installed ...*installation.Controller) settings {
	t.Helper()
	s, err := newSettings(installed)
	require.NoError(t, err)
	return s
}

// account asks for roleARN.
func account(annotations ...string) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "demo", Name: "app", UID: "u1", Annotations: map[string]string{"iam.amazonaws.com/role": roleARN},
	}}
	for i := 0; i < len(annotations); i += 2 {
		object.Annotations[annotations[i]] = annotations[i+1]
	}
	return object
}

// specHash is that of what account asks for, in a cluster.
func specHash(cluster string) string {
	want := serviceaccount.Read(account(), serviceaccount.Config{
		ExternalID: func(namespace string) string { return namespace + "/" + cluster },
	}).Desired
	return want.SpecHash()
}

// secret holds credentials of an hour, issued for account in the cluster prod, of which that much is left.
func secret(left time.Duration, change ...func(*metav1.PartialObjectMetadata)) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: "demo", Name: "app.aws-iam", UID: "s1",
		Labels: map[string]string{"app.kubernetes.io/managed-by": "kube-aws-iam-controller", "iam.amazonaws.com/source": "serviceaccount"},
		Annotations: map[string]string{
			"iam.amazonaws.com/role-arn": roleARN, "iam.amazonaws.com/expiration": now.Add(left).Format(time.RFC3339),
			"iam.amazonaws.com/external-id": "demo/prod", "iam.amazonaws.com/spec-hash": specHash("prod"),
			"iam.amazonaws.com/session-duration": strconv.Itoa(3600),
		},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kube-aws-iam-controller", Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:ownerReferences":{},"f:annotations":{"f:iam.amazonaws.com/expiration":{},"f:iam.amazonaws.com/external-id":{},"f:iam.amazonaws.com/role-arn":{},"f:iam.amazonaws.com/session-duration":{},"f:iam.amazonaws.com/spec-hash":{}},"f:labels":{"f:app.kubernetes.io/managed-by":{},"f:iam.amazonaws.com/source":{}}},"f:data":{"f:role-arn":{},"f:expire":{},"f:credentials":{},"f:credentials.process":{},"f:credentials.json":{},"f:authorization-token":{}}}`)}},
	}}
	for _, c := range change {
		c(object)
	}
	return object
}

func warning(uid types.UID, reason string, at time.Time) *corev1.Event {
	return &corev1.Event{
		Type: corev1.EventTypeWarning, Reason: reason, Message: "what went wrong", LastTimestamp: metav1.NewTime(at),
		InvolvedObject: corev1.ObjectReference{Kind: "ServiceAccount", Namespace: "demo", Name: "app", UID: uid},
	}
}

func TestStates(t *testing.T) {
	unlabelled := func(o *metav1.PartialObjectMetadata) { o.Labels, o.ManagedFields = nil, nil }
	edited := func(o *metav1.PartialObjectMetadata) {
		o.ManagedFields = append(o.ManagedFields, metav1.ManagedFieldsEntry{
			Manager: "kubectl-edit", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:credentials":{}}}`),
		})
	}
	for name, tt := range map[string]struct {
		account *metav1.PartialObjectMetadata
		secret  *metav1.PartialObjectMetadata
		event   *corev1.Event
		hidden  bool
		cluster string
		want    State
		// problem is the reason of the last error.
		problem string
	}{
		"issued": {secret: secret(50 * time.Minute), want: Ready},
		"an error from before the issue is overcome": {secret: secret(50 * time.Minute), event: warning("u1", "GetCredentialsFailed", now.Add(-11*time.Minute)), want: Ready},
		"an error since the issue": {
			secret: secret(50 * time.Minute), event: warning("u1", "GetCredentialsFailed", now.Add(-9*time.Minute)), want: Ready, problem: "GetCredentialsFailed",
		},
		"an error of an earlier object of the name": {event: warning("u0", "GetCredentialsFailed", now), want: Waiting},
		"due for renewal":                  {secret: secret(10 * time.Minute), want: Expiring},
		"not renewed":                      {secret: secret(0), want: Expired},
		"nothing was issued":               {want: Waiting},
		"nothing was issued, for an error": {event: warning("u1", "GetCredentialsFailed", now), want: Waiting, problem: "GetCredentialsFailed"},
		"not permitted":                    {event: warning("u1", "RoleNotPermitted", now), want: Refused, problem: "RoleNotPermitted"},
		"a malformed annotation, last good credentials": {
			account: account("iam.amazonaws.com/session-duration", "soon"), secret: secret(50 * time.Minute), want: Refused, problem: "InvalidAnnotation",
		},
		"issued for a request before": {account: account("iam.amazonaws.com/session-duration", "2h"), secret: secret(50 * time.Minute), want: Stale},
		"issued for another cluster":  {secret: secret(50 * time.Minute), cluster: "other", want: Stale},
		"a cluster that is not known": {secret: secret(50 * time.Minute), cluster: "?", want: Ready},
		"edited":                      {secret: secret(50*time.Minute, edited), want: Edited},
		"an unreadable expiration": {
			secret: secret(0, func(o *metav1.PartialObjectMetadata) { o.Annotations["iam.amazonaws.com/expiration"] = "soon" }), want: Edited,
		},
		"a Secret of somebody else":      {secret: secret(50*time.Minute, unlabelled, func(o *metav1.PartialObjectMetadata) { o.Annotations = nil }), want: Conflict},
		"Secrets that may not be listed": {hidden: true, want: Unknown},
		"malformed, and Secrets that may not be listed": {
			account: account("iam.amazonaws.com/delivery", "pigeon"), hidden: true, want: Refused, problem: "InvalidAnnotation",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, hidden := objects{accountsKind: {account()}}, unseen{}
			if tt.account != nil {
				found[accountsKind] = []runtime.Object{tt.account}
			}
			if tt.secret != nil {
				found[secretsKind] = []runtime.Object{tt.secret}
			}
			if tt.event != nil {
				found[eventsKind] = []runtime.Object{tt.event}
			}
			if tt.hidden {
				hidden[secretsKind] = errors.New("forbidden")
			}
			set := settingsFor(t, controllerOf("prod"))
			switch tt.cluster {
			case "":
			case "?":
				set = settingsFor(t)
			default:
				set = settingsFor(t, controllerOf(tt.cluster))
			}
			got := derive(found, hidden, set, now)
			require.Len(t, got, 1)
			assert.Equal(t, tt.want, got[0].State)
			problem := ""
			if got[0].LastError != nil {
				problem = got[0].LastError.Reason
			}
			assert.Equal(t, tt.problem, problem)
			assert.Equal(t, roleARN, got[0].Role)
		})
	}
}

func TestLastUseOfAManagedRole(t *testing.T) {
	used := metav1.NewTime(now.Add(-time.Hour))
	for name, tt := range map[string]struct {
		id, recorded string
		at           *metav1.Time
		unused       bool
	}{
		"used":                   {"AROA1", used.UTC().Format(time.RFC3339), &used, false},
		"never used":             {"AROA1", "never", nil, true},
		"not looked at yet":      {"AROA1", "", nil, false},
		"not written by us":      {"AROA1", "yesterday", nil, false},
		"of a role that is gone": {"", "never", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := derive(objects{accountsKind: {account()}, secretsKind: {secret(time.Hour, func(o *metav1.PartialObjectMetadata) {
				o.Annotations["iam.amazonaws.com/role-id"], o.Annotations["iam.amazonaws.com/role-last-used"] = tt.id, tt.recorded
			})}}, nil, settingsFor(t, controllerOf("prod")), now)
			require.Len(t, got, 1)
			assert.True(t, tt.at.Equal(got[0].RoleLastUsed), got[0].RoleLastUsed)
			assert.Equal(t, tt.unused, got[0].RoleUnused)
		})
	}
}

func awsIAMRole(expiration *metav1.Time, ready *metav1.Condition) *awsiamrole.AWSIAMRole {
	role := &awsiamrole.AWSIAMRole{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "old", UID: "r1", Generation: 1},
		Spec:       awsiamrole.Spec{RoleReference: "app"},
		Status:     awsiamrole.Status{Expiration: expiration},
	}
	if ready != nil {
		role.Status.Conditions = []metav1.Condition{*ready}
	}
	return role
}

func TestStatesOfAWSIAMRolesWhereSecretsMayNotBeListed(t *testing.T) {
	soon, past := metav1.NewTime(now.Add(time.Minute)), metav1.NewTime(now.Add(-time.Minute))
	for name, tt := range map[string]struct {
		role *awsiamrole.AWSIAMRole
		want State
	}{
		"ready":                        {awsIAMRole(&soon, &metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "CredentialsIssued"}), Ready},
		"no conditions of predecessor": {awsIAMRole(&soon, nil), Ready},
		"not for this generation":      {awsIAMRole(&soon, &metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "GetCredentialsFailed"}), Stale},
		"expired":                      {awsIAMRole(&past, &metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "GetCredentialsFailed"}), Expired},
		"nothing issued":               {awsIAMRole(nil, nil), Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			got := derive(objects{rolesKind: {tt.role}}, unseen{secretsKind: errors.New("forbidden")}, settingsFor(t), now)
			require.Len(t, got, 1)
			assert.Equal(t, tt.want, got[0].State)
		})
	}
}

func TestTheConditionIsAnError(t *testing.T) {
	role := awsIAMRole(nil, &metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "GetCredentialsFailed", Message: "denied", LastTransitionTime: metav1.NewTime(now)})
	got := derive(objects{rolesKind: {role}}, nil, settingsFor(t), now)
	require.Len(t, got, 1)
	assert.Equal(t, &Problem{Reason: "GetCredentialsFailed", Message: "denied", Time: new(metav1.NewTime(now))}, got[0].LastError)
}

func TestWhatRequestsNothingIsNotShown(t *testing.T) {
	plain := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "default"}}
	assert.Empty(t, derive(objects{accountsKind: {plain}, secretsKind: {secret(time.Hour)}}, nil, settingsFor(t), now))
}

func TestTroubleIsFirst(t *testing.T) {
	var all []Identity
	for i := range byTrouble {
		all = append(all, Identity{Name: "a", Namespace: "n", State: byTrouble[len(byTrouble)-1-i]})
	}
	all = append(all, Identity{Name: "b", Namespace: "m", State: Expired})
	sortByTrouble(all)
	var got []State
	for _, i := range all {
		got = append(got, i.State)
	}
	assert.Equal(t, append([]State{Expired}, byTrouble...), got)
	assert.Equal(t, "m", all[0].Namespace)
}

func TestEveryStateHasAColorAndHelp(t *testing.T) {
	for _, s := range byTrouble {
		assert.NotEmpty(t, colors[s], s)
		assert.Contains(t, help, "\n  "+string(s)+" ")
	}
}
