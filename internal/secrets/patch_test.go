package secrets

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

const (
	patchServiceAccountOwner = `{"op":"add","path":"/metadata/ownerReferences","value":[{"apiVersion":"v1","kind":"ServiceAccount","name":"app","uid":"owner-uid"}]}`
	patchRoleOwner           = `{"op":"add","path":"/metadata/ownerReferences","value":[{"apiVersion":"zalando.org/v1","kind":"AWSIAMRole","name":"app","uid":"owner-uid"}]}`
	patchVersion             = `{"op":"add","path":"/metadata/resourceVersion","value":"12"},{"op":"add","path":"/metadata/uid","value":"u"}`
	patchRoleLabels          = `{"op":"add","path":"/metadata/labels/heritage","value":"kube-aws-iam-controller"},` +
		`{"op":"add","path":"/metadata/labels/team","value":"a"},{"op":"add","path":"/metadata/labels/type","value":"awsiamrole"},` +
		`{"op":"remove","path":"/metadata/labels/squad"}`
)

func TestOperations(t *testing.T) {
	data := map[string][]byte{"expire": []byte("b"), "credentials.json": []byte("a")}
	notes := map[string]string{"iam.amazonaws.com/role-arn": "r", "iam.amazonaws.com/expiration": "e"}
	tests := map[string]struct {
		source identity.Source
		have   observation
		whole  bool
		want   string
	}{
		"a ServiceAccount's, key by key": {
			source: identity.ServiceAccount,
			want: patchVersion + "," + patchServiceAccountOwner + "," +
				`{"op":"add","path":"/metadata/labels/app.kubernetes.io~1managed-by","value":"kube-aws-iam-controller"},` +
				`{"op":"add","path":"/metadata/labels/iam.amazonaws.com~1source","value":"serviceaccount"},` +
				`{"op":"add","path":"/metadata/annotations/iam.amazonaws.com~1expiration","value":"e"},` +
				`{"op":"add","path":"/metadata/annotations/iam.amazonaws.com~1role-arn","value":"r"},` +
				`{"op":"add","path":"/data/credentials.json","value":"YQ=="},` +
				`{"op":"add","path":"/data/expire","value":"Yg=="}`,
		},
		"a ServiceAccount's, where there are no maps": {
			source: identity.ServiceAccount, have: observation{noLabels: true, noAnnotations: true}, whole: true,
			want: patchVersion + "," + patchServiceAccountOwner + "," +
				`{"op":"add","path":"/metadata/labels","value":{"app.kubernetes.io/managed-by":"kube-aws-iam-controller","iam.amazonaws.com/source":"serviceaccount"}},` +
				`{"op":"add","path":"/metadata/annotations","value":{"iam.amazonaws.com/expiration":"e","iam.amazonaws.com/role-arn":"r"}},` +
				`{"op":"add","path":"/data","value":{"credentials.json":"YQ==","expire":"Yg=="}}`,
		},
		"a resource's, with a label that it had before": {
			source: identity.AWSIAMRole, whole: true,
			have: observation{labels: []observedLabel{{key: "owner", value: "x"}, {key: "squad", value: "a", copied: true}}},
			want: patchVersion + "," + patchRoleOwner + "," + patchRoleLabels + "," +
				`{"op":"add","path":"/metadata/annotations/iam.amazonaws.com~1expiration","value":"e"},` +
				`{"op":"add","path":"/metadata/annotations/iam.amazonaws.com~1role-arn","value":"r"},` +
				`{"op":"add","path":"/data","value":{"credentials.json":"YQ==","expire":"Yg=="}}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.have.State = refresh.State{UID: "u", ResourceVersion: "12"}
			for range 10 {
				got, err := json.Marshal(operations(desired(tc.source), &tc.have, data, notes, tc.whole))
				require.NoError(t, err)
				require.Equal(t, "["+tc.want+"]", string(got))
			}
		})
	}
}

func TestUnknownLabelsAreKept(t *testing.T) {
	want := desired(identity.AWSIAMRole)
	want.Labels, want.KeepLabels = nil, true
	text, err := json.Marshal(operations(want, &observation{}, nil, nil, true)[3:5])
	require.NoError(t, err)
	assert.JSONEq(t, `[{"op":"add","path":"/metadata/labels/heritage","value":"kube-aws-iam-controller"},`+
		`{"op":"add","path":"/metadata/labels/type","value":"awsiamrole"}]`, string(text))
}

func TestPointer(t *testing.T) {
	assert.Equal(t, "/metadata/labels/a~1b~0c~01", pointer([]string{"metadata", "labels", "a/b~c~1"}))
	assert.Empty(t, pointer(nil))
}

func TestAddAllOfNothing(t *testing.T) {
	assert.Empty(t, addAll(false, map[string]string(nil), "data"))
	assert.Equal(t, []operation{{Op: "add", Path: "/data", Value: map[string]string{}}}, addAll(true, map[string]string{}, "data"))
}

func TestRoleIDIsAddedAndRemoved(t *testing.T) {
	want, have := desired(identity.ServiceAccount), &observation{State: refresh.State{UID: "s1", ResourceVersion: "7"}}
	want.RoleID = "AROA1"
	notes := annotations(want, creds)
	assert.Equal(t, "AROA1", notes["iam.amazonaws.com/role-id"])
	want.RoleID, have.RoleID = "", "AROA1"
	ops := operations(want, have, nil, annotations(want, creds), false)
	text, err := json.Marshal(ops[len(ops)-1])
	require.NoError(t, err)
	assert.JSONEq(t, `{"op":"remove","path":"/metadata/annotations/iam.amazonaws.com~1role-id"}`, string(text))
}

func TestSessionPolicyIsAddedAndRemoved(t *testing.T) {
	want, have := desired(identity.ServiceAccount), &observation{State: refresh.State{UID: "s1", ResourceVersion: "7"}}
	want.SessionPolicy = limitA
	assert.JSONEq(t, limitA, annotations(want, creds)["iam.amazonaws.com/session-policy"])
	want.SessionPolicy, have.SessionPolicy = "", limitA
	ops := operations(want, have, nil, annotations(want, creds), false)
	text, err := json.Marshal(ops[len(ops)-1])
	require.NoError(t, err)
	assert.JSONEq(t, `{"op":"remove","path":"/metadata/annotations/iam.amazonaws.com~1session-policy"}`, string(text))
}
