package uninstall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// outcome is what became of a managed role.
type outcome string

const (
	deleted  outcome = "role deleted"
	retained outcome = "role retained"
	absent   outcome = "no role found"
	foreign  outcome = "role left alone: it is not the controller's"
)

func describe(became outcome, err error) string {
	if err != nil {
		return fmt.Sprintf("failed, and keeps its finalizer: %v", err)
	}
	return string(became) + "; finalizer removed"
}

// lookAgain is how long to wait before a role that IAM does not show is looked for once
// more.
const lookAgain = 10 * time.Second

// releaseRole deletes or retains the role. One that IAM does not show may have been
// created a moment ago, by the controller that has just ended.
func (u *Uninstaller) releaseRole(ctx context.Context, key identity.Key, have refresh.State) (outcome, error) {
	if err := u.checkName(ctx, key, have); err != nil {
		return absent, err
	}
	id := have.RoleID
	if have.Edited {
		id = "" // whoever wrote it could keep the role
	}
	end, success := u.IAM.Delete, deleted
	if u.retains(key) {
		end, success = u.IAM.Retain, retained
	}
	for start := time.Now(); ; {
		found, err := end(ctx, key, id)
		step, _ := errors.AsType[*identity.StepError](err)
		left := u.ReadyTimeout - time.Since(start)
		switch {
		case step != nil && step.Reason == api.RoleNotOwned:
			u.Output.Print(key, step.Error())
			return foreign, nil
		case err != nil:
			return absent, err
		case found:
			return success, nil
		case left <= 0:
			return absent, nil
		}
		if err = sleep(ctx, min(left, lookAgain)); err != nil {
			return absent, err
		}
	}
}

// retains reports whether the role is to be kept.
func (u *Uninstaller) retains(key identity.Key) bool {
	_, _, retain := u.Accounts.Finalizer(key)
	return retain || u.Retain
}

// checkName returns an error if the Secret is of a managed role that is not the one that
// would be released: the command runs with the name of another cluster, or in another
// account, and would find nothing.
func (u *Uninstaller) checkName(ctx context.Context, key identity.Key, have refresh.State) error {
	named, err := identity.ParseRole(have.RoleARN)
	if err != nil || have.RoleID == "" || have.Edited {
		return nil //nolint:nilerr // the Secret does not say
	}
	made, err := u.IAM.Reference(ctx, key)
	if err != nil {
		return err
	}
	if !named.SameRole(made) {
		return fmt.Errorf("its Secret is of the role %s, and this command would release %s: run it with the controller's own --cluster-name, and AWS credentials of its account", named, made)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
