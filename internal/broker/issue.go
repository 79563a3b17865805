package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log/level"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/limit"
	"kube-aws-iam-controller/internal/refresh"
)

// confirmAfter is when to look again after a Secret was written, in case its event,
// which brings the identity back earlier, behind those that still have nothing, does
// not arrive. It is longer than the store of Secrets believes its own write without
// having seen it.
const confirmAfter = 35 * time.Second

// issuance is one issue of credentials.
type issuance struct {
	want   identity.Desired
	have   refresh.State
	reason refresh.Reason
	// role says where to take a managed role from.
	role roleFrom
	// lastGood says that this is not the current request.
	lastGood bool
}

// issue gets new credentials and stores them. If that fails, the existing ones stay.
func (b *Broker) issue(ctx context.Context, source Source, i issuance) (time.Duration, error) {
	key, start := i.want.Key, time.Now()
	repeat := b.isRepeat(i, start)
	// Users can trigger every reason, NearExpiry by forging the expiration. Genuine
	// expirations never exhaust the limit.
	if wait := b.limits.renewals.Take(key, start); wait > 0 {
		return wait, nil
	}
	if repeat {
		ctx = limit.Repeats(ctx, key.Namespace)
	}
	creds, created, err := b.obtain(ctx, &i)
	if i.have.Unreadable != "" {
		// sic: "expirary" is how the predecessor spelled it.
		b.Status.Warn(i.want, false, api.ReadSecretFailed, fmt.Sprintf(
			"Failed to parse expirary time '%s' from secret %s/%s: not a time", i.have.Unreadable, key.Namespace, i.want.SecretName))
	}
	if retry, settling := b.Roles.Settling(key); err != nil && settling && isSettling(i.want, err) {
		level.Debug(b.Logger).Log("msg", "the new role is not ready yet", "object", key, "err", err)
		return retry, nil
	}
	b.Metrics.ObserveRefresh(string(i.want.Source), string(i.reason), time.Since(start), err)
	if err != nil {
		return b.notIssued(ctx, source, i, err)
	}
	if !i.lastGood {
		b.Status.Clear(key)
	}
	b.limits.renewals.Served(key, time.Now())
	b.Status.RecordIssued(i.want, creds, created, i.reason)
	return confirmAfter, nil
}

// obtain gets credentials and writes them to the Secret.
func (b *Broker) obtain(ctx context.Context, i *issuance) (creds identity.Credentials, created bool, err error) {
	if err = b.Secrets.CheckName(ctx, i.want); err != nil {
		return creds, false, err
	}
	i.want.PolicyHash = i.have.PolicyHash
	if i.want.Managed != nil {
		err = b.provideRole(ctx, i)
		i.want.PolicyHash = i.want.Managed.PolicyHash()
	} else {
		i.want.Proven, err = b.checkExternalID(ctx, i.want)
	}
	if err != nil {
		return creds, false, err
	}
	if creds, err = b.Sessions.Assume(ctx, i.want); err != nil {
		return creds, false, identity.NotAssumed(i.want, err)
	}
	b.outage.serve()
	assumed, err := identity.ParseRole(creds.RoleARN)
	if err != nil {
		return creds, false, identity.NotAssumed(i.want, err)
	}
	// The rules may have changed meanwhile.
	if err = b.permitted(ctx, i.want.Key, assumed); err != nil && !i.keepsRole(assumed, err) {
		return creds, false, identity.NotAssumed(i.want, err)
	}
	if err = b.ExternalIDs.Confirm(ctx, i.want, creds.RoleARN); err != nil {
		return creds, false, err
	}
	i.want.RoleUsed = b.Roles.LastUsed(i.want.Key, i.want.RoleID, i.have.UseOf(i.want.RoleID))
	_, created, err = b.Secrets.Apply(ctx, i.want, creds)
	return creds, created, err
}

// keepsRole reports whether only a malformed rule refuses a role that is renewed as what
// was last good.
func (i issuance) keepsRole(role identity.RoleReference, err error) bool {
	refusal, refused := errors.AsType[*identity.InvalidError](err)
	return refused && refusal.RuleMalformed && i.lastGood && role.String() == i.have.RoleARN
}

// checkExternalID checks that an existing role enforces its external ID. A managed role
// that was last good needs no check, because its trust policy is the controller's own;
// STS tells whether it still has the unique ID.
func (b *Broker) checkExternalID(ctx context.Context, want identity.Desired) (time.Time, error) {
	if want.RoleID != "" {
		_, managed, err := b.namedRole(ctx, want.Key, refresh.State{RoleARN: want.Role.String()})
		if err == nil && managed {
			return time.Time{}, nil
		}
	}
	return b.ExternalIDs.Check(ctx, want)
}

// provideRole completes the request with the managed role.
func (b *Broker) provideRole(ctx context.Context, i *issuance) error {
	named, isManaged, err := b.namedRole(ctx, i.want.Key, i.have)
	if err != nil {
		return identity.NotAssumed(i.want, err)
	}
	switch i.role {
	case fromSecret:
		i.want.Role, i.want.RoleID = named, i.have.RoleID
		return nil
	case fromMemory:
		if role, recent := b.Roles.Recent(i.want); recent {
			i.want.Role, i.want.RoleID = role.ARN, role.ID
			return nil
		}
	case fromIAM:
	}
	role, err := b.Roles.Ensure(ctx, i.want, i.have.RoleID)
	if step, failed := errors.AsType[*identity.StepError](err); failed && step.Reason == api.ProvisionFailed &&
		isManaged && i.reason == refresh.NearExpiry {
		i.want.Role, i.want.RoleID = named, i.have.RoleID
		return nil // the role may be well although IAM is not
	}
	if err != nil && !role.Created {
		return err
	}
	i.want.Role, i.want.RoleID = role.ARN, role.ID
	return err
}

// notIssued records that issuing credentials failed.
func (b *Broker) notIssued(ctx context.Context, source Source, i issuance, err error) (time.Duration, error) {
	f := facts{key: i.want.Key, now: time.Now(), refreshLimit: b.RefreshLimit, asked: &i.want, have: i.have, lastGood: lastGood(i.want, i.have)}
	refusal, refused := errors.AsType[*identity.InvalidError](err)
	switch {
	case refused && refusal.Reason == api.RoleNotPermitted && i.have.Exists && (f.lastGood == nil || !refusal.RuleMalformed && i.have.SpecHash == i.want.SpecHash()):
		// The existing credentials are for this role, or it is unknown which role they are
		// for.
		return b.revoke(ctx, source, f, refusal)
	case refused && !i.lastGood:
		return b.refuse(ctx, source, f, refusal)
	}
	if identity.ReasonOf(err) == api.ExternalIDNotEnforced && b.ExternalIDs.Revokes(i.want, i.have) {
		b.Status.RecordFailure(i.want, i.have, err)
		err = errors.Join(err, b.Secrets.Remove(ctx, i.want.Key))
		f.have = refresh.State{}
		return 0, errors.Join(err, b.Status.Report(ctx, source, i.want, f.have))
	}
	return b.failed(ctx, source, i.want, f, err)
}

// failed records a failure that a retry may fix.
func (b *Broker) failed(ctx context.Context, source Source, want identity.Desired, f facts, err error) (time.Duration, error) {
	if errors.Is(err, identity.ErrOutage) {
		b.outage.fail()
	}
	b.Status.RecordFailure(want, f.have, err)
	return f.maxBackoff(), errors.Join(err, b.Status.Report(ctx, source, want, f.have))
}

// isSettling reports whether an error is a normal consequence of a new managed role:
// IAM does not show it everywhere yet, or STS does not know it. Anything else that
// fails meanwhile needs somebody's attention.
func isSettling(want identity.Desired, err error) bool {
	if want.Managed == nil {
		return false
	}
	step, is := errors.AsType[*identity.StepError](err)
	return is && step.Transient || errors.Is(err, identity.ErrNotAssumable)
}
