package managedrole

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
)

// lookAgain is how long to wait before looking again for a role that IAM does not show.
const lookAgain = 10 * time.Second

// Release deletes the role of an identity, or marks it as retained. id is its unique ID
// according to the Secret, "" if unknown. It returns how soon to come back, 0 if there
// is nothing left to do. A role that belongs to somebody else is left alone, with a
// Warning.
func (m *Manager) Release(ctx context.Context, key identity.Key, id string) (time.Duration, error) {
	if !m.MayExist(key) {
		return 0, nil
	}
	uid, _, retain := m.Finalizers.Finalizer(key)
	known := m.record(key)
	end := m.IAM.Delete
	if retain {
		end = m.IAM.Retain
	}
	found, err := end(limit.Repeats(ctx, key.Namespace), key, cmp.Or(known.orphanID, known.role.ID, id))
	step, _ := errors.AsType[*identity.StepError](err)
	notOwned := step != nil && step.Reason == api.RoleNotOwned
	m.recordRelease(identity.Desired{Key: key, UID: uid}, retain, found, err)
	switch {
	case notOwned:
	case err != nil:
		return 0, err
	case !found:
		if left := m.unseen(key); left > 0 {
			return min(left, lookAgain), nil
		}
	}
	m.HasOwner(key) // what a sweep found is gone as well
	m.Forget(key)
	return 0, nil
}

// recordRelease records what became of a role that had to be released. An event needs
// an object.
func (m *Manager) recordRelease(want identity.Desired, retain, found bool, err error) {
	object := want.UID != ""
	if err != nil {
		if object {
			reason := api.GetCredentialsFailed
			if step, ok := errors.AsType[*identity.StepError](err); ok {
				reason = step.Reason
			}
			m.Events.Warn(want, false, reason, err.Error())
		}
		return
	}
	if !found {
		return
	}
	if object {
		message := "Deleted the managed role of this ServiceAccount"
		if retain {
			message = "Retained the managed role of this ServiceAccount, with the tag retained=true"
		}
		m.Events.Normal(want, api.RoleDeleted, message)
	}
	level.Info(m.Logger).Log("msg", "role released", "object", want.Key, "retained", retain)
}
