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

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Report writes status to the AWSIAMRole, unless it is up to date.
func (s *Source) Report(ctx context.Context, want identity.Desired, status identity.Status) error {
	role := s.cached(want.Key)
	if role == nil || string(role.UID) != want.UID {
		return nil // deleted or recreated
	}
	next := nextStatus(&role.Status, status)
	if s.upToDate(&role.Status, &next) {
		return nil
	}
	if role.omitted != nil && role.omitted.conditions { // the conditions of other types have to be kept
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

// write replaces the whole status, conditions of other types included.
func (s *Source) write(ctx context.Context, want identity.Desired, next *Status) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": want.UID}, // the API server rejects the patch if the object was recreated
		"status": map[string]any{ // null removes a field, https://datatracker.ietf.org/doc/html/rfc7386
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
		metav1.PatchOptions{FieldManager: api.ControllerName}, "status")
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // deleted or recreated
		return nil
	case err != nil:
		return fmt.Errorf("write status of AWSIAMRole %s/%s: %w", want.Namespace, want.Name, err)
	}
	s.conditionsPruned.Store(len(written.Status.Conditions) == 0)
	return nil
}

// upToDate reports whether have already equals next. Conditions are ignored while
// the installed CRD drops them; they are written nevertheless, so that an upgrade
// of the CRD is noticed.
func (s *Source) upToDate(have, next *Status) bool {
	compared := *next
	if s.conditionsPruned.Load() {
		compared.Conditions = have.Conditions
	}
	return equality.Semantic.DeepEqual(*have, compared)
}

// nextStatus returns have updated with status. Conditions of other types are kept.
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
		Type:               api.ReadyCondition,
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
