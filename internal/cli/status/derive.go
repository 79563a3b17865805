package status

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
)

// deriver derives identities from objects. It is pure.
type deriver struct {
	now      time.Time
	settings settings
	hidden   unseen

	secrets  map[types.NamespacedName]*metav1.PartialObjectMetadata
	warnings map[subject]*Problem
}

// derive returns the identities, sorted by trouble.
func derive(found objects, hidden unseen, s settings, now time.Time) []Identity {
	d := deriver{now: now, settings: s, hidden: hidden, secrets: byName(found[secretsKind]), warnings: lastWarnings(found[eventsKind])}
	var all []Identity
	for _, obj := range found[accountsKind] {
		if account, is := obj.(*metav1.PartialObjectMetadata); is {
			if i := d.account(account); i != nil {
				all = append(all, *i)
			}
		}
	}
	for _, obj := range found[rolesKind] {
		if role, is := obj.(*awsiamrole.AWSIAMRole); is {
			all = append(all, d.role(role))
		}
	}
	sortByTrouble(all)
	return all
}

func byName(list []runtime.Object) map[types.NamespacedName]*metav1.PartialObjectMetadata {
	all := make(map[types.NamespacedName]*metav1.PartialObjectMetadata, len(list))
	for _, obj := range list {
		if object, is := obj.(*metav1.PartialObjectMetadata); is {
			all[types.NamespacedName{Namespace: object.Namespace, Name: object.Name}] = object
		}
	}
	return all
}

// account returns nil for a ServiceAccount that requests nothing.
func (d *deriver) account(object *metav1.PartialObjectMetadata) *Identity {
	request := serviceaccount.Read(object, d.settings.reading(object))
	if request.Desired == nil {
		return nil
	}
	v := d.view(request.Desired, request.Err)
	if v.hidden {
		v.have.RoleARN = object.Annotations[api.RoleARNAnnotation]
	}
	if request.Managed && v.want.Managed == nil && v.refusal == nil {
		v.want.Managed = &identity.ManagedRole{}
	}
	i := identityOf(v)
	return &i
}

func (d *deriver) role(object *awsiamrole.AWSIAMRole) Identity {
	want, refusal := awsiamrole.Read(object, d.settings.externalID(object.Namespace))
	v := d.view(want, refusal)
	ready := meta.FindStatusCondition(object.Status.Conditions, api.ReadyCondition)
	if v.refusal == nil {
		v.last = later(v.last, conditionProblem(ready))
	}
	if v.hidden {
		v.have.RoleARN = object.Status.RoleARN
		if at := object.Status.Expiration; at != nil {
			v.have.Expiration = at.Time
		}
		v.reported = reportedState(object, ready, d.now)
	}
	return identityOf(v)
}

// view looks up what is known of an identity.
func (d *deriver) view(want *identity.Desired, refusal error) *view {
	v := &view{now: d.now, limit: d.settings.refreshLimit(want.Namespace), want: want, refusal: refusal}
	v.hidden = d.hidden[secretsKind] != nil
	secret, exists := d.secrets[types.NamespacedName{Namespace: want.Namespace, Name: want.SecretName}]
	if exists {
		if !d.settings.known(want.Namespace) {
			want.ExternalID = secret.Annotations[api.ExternalIDAnnotation] // it is not known what it has to be
		}
		var ours bool
		v.have, ours = secrets.Read(*want, &secret.ObjectMeta)
		v.foreign = !ours
	}
	v.last = unresolved(d.warnings[subject{want.Key, want.UID}], v.have)
	if errors.Is(refusal, identity.ErrValueUnknown) { // by this command: the controller knows
		v.refusal, refusal = nil, nil
		v.want = new(want.LastGood(want.Role, want.SessionDuration, want.SessionPolicy, v.have.SpecHash))
	}
	if refusal != nil {
		v.last = &Problem{Reason: identity.ReasonOf(refusal), Message: refusal.Error()}
	}
	return v
}

// reportedState is the state of an AWSIAMRole according to its status.
func reportedState(object *awsiamrole.AWSIAMRole, ready *metav1.Condition, now time.Time) State {
	switch at := object.Status.Expiration; {
	case at == nil:
		return Waiting
	case !now.Before(at.Time):
		return Expired
	case ready != nil && ready.Status != metav1.ConditionTrue:
		return Stale
	default:
		return Ready
	}
}
