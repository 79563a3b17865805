package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"kube-aws-iam-controller/internal/awssim"
)

const (
	driftQPS = 100
	// driftShare is how much of --iam-qps looks for drift may take.
	driftShare = 0.25
	// edge is how much more is counted, because requests begin before the time that is
	// measured does, and one look takes several.
	edge = 0.005
	// newRoles are created one after another while roles are looked at.
	newRoles = 20
)

// drift measures what share of the requests to IAM goes to looks at many managed roles, of which more are due than that
// allows, and whether new roles wait for them.
func (b *bench) drift(ctx context.Context, size sizes, r *report) error {
	const namespace = "drift"
	b.aws.Set(awssim.Settings{RolesPerAccount: new(2 * size.drift)})
	roles := []string{"--permissions-boundary=" + b.aws.Boundary, "--max-roles-per-namespace=0"}
	if _, err := b.served(ctx, namespace, size.drift, roleOfItsOwn, slices.Concat(roles, unlimited, []string{"--iam-qps=100000"})...); err != nil {
		return err
	}
	b.aws.SetLatency(latency)
	defer b.aws.SetLatency(0)
	limited := fmt.Sprintf("--iam-qps=%d", driftQPS)
	b.say("controller: %d new managed roles, one at a time, beside %d that are not looked at", newRoles, size.drift)
	without, err := b.besideDrift(ctx, namespace, "without", 0, slices.Concat(roles, []string{limited, "--drift-interval=0"})...)
	if err != nil {
		return err
	}
	b.say("controller: the same, for %s, beside %d that are looked at", size.drifting, size.drift)
	with, err := b.besideDrift(ctx, namespace, "with", size.drifting, slices.Concat(roles, []string{limited, "--drift-interval=1m"})...)
	if err != nil {
		return err
	}
	r.add(with.share <= driftShare+edge, fmt.Sprintf("looks for drift at %d managed roles, all of them due within a minute: share of the requests that --iam-qps=%d allows", size.drift, driftQPS),
		"a quarter", "%.1f %%, so each role is looked at every %s", 100*with.share, with.interval)
	r.add(with.median <= without.median+without.median/5, "the same: a new managed role, from its creation until its Secret is seen, median",
		"not longer than without such looks, within 20 %", "%.0f ms (without %.0f ms)", ms(with.median), ms(without.median))
	return nil
}

// driftFigures are what came out beside looks for drift.
type driftFigures struct {
	share    float64
	interval time.Duration // between looks at one role, as planned
	median   time.Duration // until a new role's Secret
}

// besideDrift counts looks for at least so long, and creates new roles meanwhile.
func (b *bench) besideDrift(ctx context.Context, namespace, name string, atLeast time.Duration, args ...string) (found driftFigures, err error) {
	if err = b.run(ctx, namespace, args...); err != nil {
		return found, err
	}
	defer b.stop()
	if err = b.running.WaitReady(ctx, patience); err != nil {
		return found, err
	}
	if err = pause(ctx, 10*time.Second); err != nil { // until it has seen what is there
		return found, err
	}
	begin, before := time.Now(), b.iamReads()
	var took []time.Duration
	for i := range newRoles {
		one, failed := b.oneSeen(ctx, namespace, fmt.Sprintf("%s-%d", name, i), b.createOwner)
		if failed != nil {
			return found, failed
		}
		took = append(took, one)
	}
	if err = pause(ctx, max(0, atLeast-time.Since(begin))); err != nil {
		return found, err
	}
	found.share = float64(b.iamReads()-before) / time.Since(begin).Seconds() / driftQPS
	found.median = percentile(took, 50)
	seconds, err := b.running.Metric(ctx, "kube_aws_iam_controller_drift_interval_seconds ")
	found.interval = time.Duration(seconds) * time.Second
	return found, err
}

// iamReads are the requests to IAM that look at roles. Making one takes none but the list of
// those that there are, which is no look at a role, and has short pages here.
func (b *bench) iamReads() (sum int) {
	for action, n := range b.aws.Counts() {
		if action != "ListRoles" && (strings.HasPrefix(action, "GetRole") || strings.HasPrefix(action, "List")) {
			sum += n
		}
	}
	return sum
}
