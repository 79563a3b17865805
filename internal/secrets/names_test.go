package secrets

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"
)

func TestName(t *testing.T) {
	assert.Equal(t, "app.aws-iam", Name(identity.ServiceAccount, "app"))
	assert.Equal(t, "app", Name(identity.AWSIAMRole, "app"))
	for _, source := range bothSources {
		for _, object := range []string{"app", "app.aws-iam", "a.aws-iam.b", strings.Repeat("a", serviceaccount.MaxName)} {
			assert.Equal(t, object, objectName(source, Name(source, object)))
		}
	}
	for _, secret := range []string{"", "app", ".aws-iam", "app.aws-iam.x", "app-aws-iam"} {
		assert.Empty(t, objectName(identity.ServiceAccount, secret), secret)
	}
}

func TestMaxServiceAccountName(t *testing.T) {
	assert.Equal(t, 245, serviceaccount.MaxName)
	assert.Len(t, Name(identity.ServiceAccount, strings.Repeat("a", serviceaccount.MaxName)), 253)
}

func TestSecretLabels(t *testing.T) {
	const (
		managedBy = "app.kubernetes.io/managed-by"
		source    = "iam.amazonaws.com/source"
		ours      = "kube-aws-iam-controller"
	)
	tests := map[string]struct {
		source       identity.Source
		labels, want map[string]string
	}{
		"a ServiceAccount's": {identity.ServiceAccount, nil, map[string]string{managedBy: ours, source: "serviceaccount"}},
		"a resource's":       {identity.AWSIAMRole, nil, map[string]string{"heritage": ours, "type": "awsiamrole"}},
		"a resource's own labels are copied": {
			identity.AWSIAMRole, map[string]string{"team": "a", managedBy: "Helm"},
			map[string]string{"team": "a", managedBy: "Helm", "heritage": ours, "type": "awsiamrole"},
		},
		"a resource cannot look like a ServiceAccount": {
			identity.AWSIAMRole, map[string]string{managedBy: ours, source: "serviceaccount"},
			map[string]string{managedBy: ours, "heritage": ours, "type": "awsiamrole"},
		},
		"a resource cannot disown its Secret": {
			identity.AWSIAMRole, map[string]string{"heritage": "Helm", "type": "database"},
			map[string]string{"heritage": ours, "type": "awsiamrole"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			want := identity.Desired{Key: identity.Key{Source: tc.source}, Labels: tc.labels}
			got := secretLabels(want)
			assert.Equal(t, tc.want, got)
			for _, other := range bothSources {
				selector, err := labels.Parse(Selector(other))
				if assert.NoError(t, err) {
					assert.Equal(t, other == tc.source, selector.Matches(labels.Set(got)), "each source selects its own: %s", other)
				}
			}
		})
	}
}

func TestSecretLabelsDoesNotModifyTheRequest(t *testing.T) {
	copied := map[string]string{"team": "a", api.SourceLabel: "x"}
	secretLabels(identity.Desired{Key: identity.Key{Source: identity.AWSIAMRole}, Labels: copied})
	assert.Equal(t, map[string]string{"team": "a", api.SourceLabel: "x"}, copied)
}

func TestSelector(t *testing.T) {
	assert.Equal(t, "app.kubernetes.io/managed-by=kube-aws-iam-controller,iam.amazonaws.com/source=serviceaccount", Selector(identity.ServiceAccount))
	assert.Equal(t, "heritage=kube-aws-iam-controller,type=awsiamrole", Selector(identity.AWSIAMRole))
}

func TestOwnerReference(t *testing.T) {
	assert.Equal(t, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "name": "app", "uid": "owner-uid"},
		ownerReference(desired(identity.ServiceAccount)))
	assert.Equal(t, map[string]any{"apiVersion": "zalando.org/v1", "kind": "AWSIAMRole", "name": "app", "uid": "owner-uid"},
		ownerReference(desired(identity.AWSIAMRole)))
}

func TestIsOurs(t *testing.T) {
	var (
		owner      = metav1.OwnerReference{APIVersion: "zalando.org/v1", Kind: "AWSIAMRole", Name: "app", UID: "owner-uid"}
		accountOf  = metav1.OwnerReference{APIVersion: "v1", Kind: "ServiceAccount", Name: "app", UID: "owner-uid"}
		recreated  = metav1.OwnerReference{APIVersion: "zalando.org/v1", Kind: "AWSIAMRole", Name: "app", UID: "owner-before"}
		controller = metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "x", UID: "x", Controller: new(true)}
		no         = metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "x", UID: "x", Controller: new(false)}

		heritage = map[string]string{"heritage": api.ControllerName}
		typed    = map[string]string{"heritage": api.ControllerName, "type": "awsiamrole"}
		account  = map[string]string{"app.kubernetes.io/managed-by": api.ControllerName, "iam.amazonaws.com/source": "serviceaccount"}

		wrote      = []metav1.ManagedFieldsEntry{{Manager: api.ControllerName, FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:expire":{}}}`)}}
		wroteLabel = []metav1.ManagedFieldsEntry{{Manager: api.ControllerName, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:x":{}}}}`)}}
		others     = []metav1.ManagedFieldsEntry{{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:expire":{}}}`)}}
	)
	notes := map[string]string{}
	for _, key := range annotationKeys {
		notes[key] = "x"
	}
	tests := map[string]struct {
		labels  map[string]string
		notes   map[string]string
		owners  []metav1.OwnerReference
		fields  []metav1.ManagedFieldsEntry
		account bool // whether it is a ServiceAccount's
		role    bool // whether it is an AWSIAMRole's
	}{
		"nothing on it":                                     {},
		"a ServiceAccount's labels":                         {labels: account, account: true},
		"a ServiceAccount's labels and owner":               {labels: account, owners: []metav1.OwnerReference{accountOf}, account: true},
		"a resource's labels":                               {labels: typed, role: true},
		"the predecessor's labels and owner":                {labels: typed, owners: []metav1.OwnerReference{owner}, role: true},
		"the predecessor's, of a resource since recreated":  {labels: typed, owners: []metav1.OwnerReference{recreated}, role: true},
		"the predecessor's oldest":                          {labels: heritage, role: true},
		"like the oldest, but somebody owns it":             {labels: heritage, owners: []metav1.OwnerReference{recreated}},
		"like the oldest, but of a type":                    {labels: map[string]string{"heritage": api.ControllerName, "type": ""}},
		"the predecessor's of another type":                 {labels: map[string]string{"heritage": api.ControllerName, "type": "database"}},
		"another's heritage":                                {labels: map[string]string{"heritage": "Tiller", "type": "awsiamrole"}},
		"half the labels of a ServiceAccount's":             {labels: map[string]string{"iam.amazonaws.com/source": "serviceaccount"}},
		"managed by us, without a source":                   {labels: map[string]string{"app.kubernetes.io/managed-by": api.ControllerName}},
		"another's labels":                                  {labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"}},
		"no labels, our owner, our data":                    {owners: []metav1.OwnerReference{owner}, fields: wrote, account: true, role: true},
		"another's labels, our owner, our data":             {labels: map[string]string{"a": "b"}, owners: []metav1.OwnerReference{no, owner}, fields: wrote, account: true, role: true},
		"no labels, our owner, another's data":              {owners: []metav1.OwnerReference{owner}, fields: others},
		"no labels, our owner, a label of ours":             {owners: []metav1.OwnerReference{owner}, fields: wroteLabel},
		"no labels, our owner, nothing on record":           {owners: []metav1.OwnerReference{owner}},
		"no labels, our owner, our notes, no record":        {notes: notes, owners: []metav1.OwnerReference{owner}, account: true, role: true},
		"no labels, our owner, our notes, others' record":   {notes: notes, owners: []metav1.OwnerReference{owner}, fields: others},
		"no labels, our notes, no record, no owner":         {notes: notes},
		"no labels, no owner, our data":                     {fields: wrote},
		"no labels, our data, the owner is a former object": {owners: []metav1.OwnerReference{recreated}, fields: wrote},
		"a ServiceAccount's labels, but controlled":         {labels: account, owners: []metav1.OwnerReference{accountOf, controller}, fields: wrote},
		"a resource's labels, but controlled":               {labels: typed, owners: []metav1.OwnerReference{controller}},
		"the oldest form, but controlled":                   {labels: heritage, owners: []metav1.OwnerReference{controller}},
		"our owner and data, but controlled":                {owners: []metav1.OwnerReference{owner, controller}, fields: wrote},
		"an owner that says it does not control":            {labels: typed, owners: []metav1.OwnerReference{no}, role: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			meta := &metav1.ObjectMeta{UID: types.UID("u"), Labels: tc.labels, Annotations: tc.notes, OwnerReferences: tc.owners, ManagedFields: tc.fields}
			assert.Equal(t, tc.account, isOurs(desired(identity.ServiceAccount), meta), "as a ServiceAccount's")
			assert.Equal(t, tc.role, isOurs(desired(identity.AWSIAMRole), meta), "as an AWSIAMRole's")
		})
	}
}
