package uninstall

import (
	"context"

	"kube-aws-iam-controller/internal/identity"
)

// Plan prints what Run would do, and changes nothing.
func (u *Uninstaller) Plan(ctx context.Context) error {
	keys := u.withFinalizer()
	for _, key := range keys {
		u.Output.Print(key, u.plan(ctx, key))
	}
	u.left(ctx, keys)
	u.Output.Say("nothing was changed: this was a dry run")
	return u.Output.Err()
}

// plan returns what would become of one ServiceAccount.
func (u *Uninstaller) plan(ctx context.Context, key identity.Key) string {
	err := u.checkName(ctx, key, u.Secrets.Observe(key))
	var role identity.RoleReference
	if err == nil {
		role, err = u.IAM.Reference(ctx, key)
	}
	switch {
	case err != nil:
		return "would fail, and keep its finalizer: " + err.Error()
	case u.retains(key):
		return "would retain the role " + role.String() + " and remove the finalizer"
	default:
		return "would delete the role " + role.String() + " and remove the finalizer"
	}
}
