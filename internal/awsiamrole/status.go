package awsiamrole

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/internal/identity"
)

// Ready is the condition that says whether the Secret holds valid credentials.
const Ready = "Ready"

// Report writes the status of want's AWSIAMRole, if it says anything else.
func (s *Source) Report(ctx context.Context, want identity.Desired, status identity.Status) error {
	role := s.cached(want.Key)
	if role == nil || string(role.UID) != want.UID {
		return nil // gone, or another one that will report for itself
	}
	next := nextStatus(&role.Status, status)
	if s.upToDate(&role.Status, &next) {
		return nil
	}
	if role.omitted != nil && role.omitted.conditions { // of other types, which stay
		live, err := s.client.Namespace(want.Namespace).Get(ctx, want.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return fmt.Errorf("read status of AWSIAMRole %s/%s: %w", want.Namespace, want.Name, err)
		}
		next = nextStatus(&live.Status, status)
	}
	return s.write(ctx, want, &next)
}

// write writes a whole status, conditions of other types included.
func (s *Source) write(ctx context.Context, want identity.Desired, next *Status) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": want.UID}, // refused if it is another object by now
		"status": map[string]any{ // with null for what is to go, see RFC 7386
			"observedGeneration": next.ObservedGeneration,
			"roleARN":            orNull(next.RoleARN),
			"expiration":         next.Expiration,
			"conditions":         next.Conditions,
		},
	})
	if err != nil {
		return fmt.Errorf("render status: %w", err)
	}
	written, err := s.client.Namespace(want.Namespace).Patch(ctx, want.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: "kube-aws-iam-controller"}, "status")
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // gone or recreated
		return nil
	case err != nil:
		return fmt.Errorf("write status of AWSIAMRole %s/%s: %w", want.Namespace, want.Name, err)
	}
	s.conditionsPruned.Store(len(written.Status.Conditions) == 0)
	return nil
}

// says whether a status says already what next does. Conditions do not count
// where the cluster's resource definition drops them; they are sent all the
// same, and seen to stay once it is replaced.
func (s *Source) upToDate(have, next *Status) bool {
	compared := *next
	if s.conditionsPruned.Load() {
		compared.Conditions = have.Conditions
	}
	return equality.Semantic.DeepEqual(*have, compared)
}

// nextStatus returns what have becomes. Conditions of other types stay.
func nextStatus(have *Status, status identity.Status) Status {
	next := have.deepCopy()
	next.ObservedGeneration = new(status.Generation)
	next.RoleARN = status.RoleARN
	next.Expiration = nil
	if !status.Expiration.IsZero() {
		next.Expiration = new(metav1.NewTime(status.Expiration))
	}
	ready := metav1.ConditionFalse
	if status.Ready {
		ready = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&next.Conditions, metav1.Condition{
		Type:               Ready,
		Status:             ready,
		ObservedGeneration: status.Generation,
		Reason:             status.Reason,
		Message:            status.Message,
	})
	return next
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
