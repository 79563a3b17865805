package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"kube-aws-iam-controller/internal/awssim"

	system "kube-aws-iam-controller/test/kit"
)

// fleetRate is how many calls of STS a second the controller is allowed: few enough that they limit, and not the machine.
const fleetRate = 200

// fleetSize is how large the fleet is, and what happens to it. The outage lasts half a session, as 30 minutes do of an hour.
type fleetSize struct {
	identities, namespaces int
	session, outage        time.Duration
}

// A fleet is many identities over many namespaces, and the controller that serves them all.
type fleet struct {
	*bench

	size   fleetSize
	ledger *ledger
	report *report
}

// fleet measures many identities through what happens in the life of a cluster. It has a control plane of its own, because
// its controller serves all namespaces.
func (b *bench) fleet(ctx context.Context, size sizes, r *report) error {
	own, err := start(ctx, b.progress)
	if err != nil {
		return err
	}
	defer own.end()
	f := &fleet{bench: own, size: size.fleet, report: r}
	if err = f.populate(ctx); err != nil {
		return err
	}
	if f.ledger, err = own.keepLedger(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{f.creation, f.failover, f.outage, f.change} {
		if err = step(ctx); err != nil {
			return err
		}
	}
	expired := f.ledger.expired()
	r.add(expired == 0, "the same, through all of that: identities whose credentials expired", "0", "%d", expired)
	return nil
}

// populate creates the ServiceAccounts, and the role that they are changed to.
func (f *fleet) populate(ctx context.Context) error {
	f.say("%d ServiceAccounts in %d namespaces", f.size.identities, f.size.namespaces)
	if err := f.addRole("other"); err != nil {
		return err
	}
	f.aws.SetSession(f.size.session)
	f.aws.SetLatency(latency)
	if err := many(ctx, f.size.namespaces, func(ctx context.Context, i int) error { return f.namespace(ctx, fleetNamespace(i)) }); err != nil {
		return err
	}
	return many(ctx, f.size.identities, func(ctx context.Context, i int) error {
		return f.createAccount(ctx, fleetNamespace(i%f.size.namespaces), fmt.Sprintf("app-%d", i))
	})
}

func fleetNamespace(i int) string { return fmt.Sprintf("fleet-%d", i) }

// replica starts a controller that serves all namespaces once it leads.
func (f *fleet) replica(ctx context.Context) (*system.Controller, error) {
	if err := f.run(ctx, "", "--leader-elect", "--leader-elect-namespace="+system.Namespace, fmt.Sprintf("--sts-qps=%d", fleetRate)); err != nil {
		return nil, err
	}
	return f.running, f.running.WaitReady(ctx, patience)
}

// limit is the time in which the rate of STS allows a call for each identity.
func (f *fleet) limit() time.Duration {
	return time.Duration(float64(f.size.identities) / fleetRate * float64(time.Second))
}

// against reports a time for all identities against the least that the rate of STS allows.
func (f *fleet) against(what string, took time.Duration) {
	ratio := took.Seconds() / f.limit().Seconds()
	f.report.add(ratio <= 1.2, what, fmt.Sprintf("at most 1.2 times the %.0f s that --sts-qps=%d allows", f.limit().Seconds(), fleetRate),
		"%.2f times (%.0f s)", ratio, took.Seconds())
}

// creation starts the controller over ServiceAccounts that have no Secret yet.
func (f *fleet) creation(ctx context.Context) error {
	begin := time.Now()
	if _, err := f.replica(ctx); err != nil {
		return err
	}
	f.say("controller: serves them all")
	if err := f.ledger.until(ctx, f.size.identities, func(holding) bool { return true }); err != nil {
		return err
	}
	f.against(fmt.Sprintf("%d new ServiceAccounts over %d namespaces, until all have their Secrets", f.size.identities, f.size.namespaces), time.Since(begin))
	return nil
}

// failover restarts the controller, and kills the one that leads beside another one.
func (f *fleet) failover(ctx context.Context) error {
	f.say("controller: restart")
	calls := f.aws.Counts()["AssumeRole"]
	f.stop()
	begin := time.Now()
	first, err := f.replica(ctx)
	if err != nil {
		return err
	}
	ready := time.Since(begin)
	if err = system.Eventually(ctx, time.Minute, func(ctx context.Context) error { return first.Leads(ctx, 1) }); err != nil {
		return err
	}
	second, err := f.replica(ctx)
	if err != nil {
		return err
	}
	f.say("controller: the leader is killed")
	first.Kill()
	begin = time.Now()
	if err = system.Eventually(ctx, time.Minute, func(ctx context.Context) error { return second.Leads(ctx, 1) }); err != nil {
		return err
	}
	took := time.Since(begin)
	if err = f.createAccount(ctx, fleetNamespace(0), "late"); err != nil {
		return err
	}
	if err = f.ledger.until(ctx, f.size.identities+1, func(holding) bool { return true }); err != nil {
		return err
	}
	served := time.Since(begin)
	f.report.add(took <= 30*time.Second && served <= 31*time.Second, "the same: a standby leads after its leader was killed, and serves a new ServiceAccount", "30 s, 31 s",
		"%.1f s, %.1f s", took.Seconds(), served.Seconds())
	more := f.aws.Counts()["AssumeRole"] - calls
	f.report.add(more == 1, "the same, for the restart and the standby: STS calls", "1, for the new one", "%d", more)
	f.report.detail("A restart over %d fresh identities is ready after %.1f s.", f.size.identities, ready.Seconds())
	return nil
}

// outage takes STS away until all credentials are due.
func (f *fleet) outage(ctx context.Context) error {
	f.say("STS: an outage of %s", f.size.outage)
	calls := f.aws.Counts()["AssumeRole"]
	f.aws.SetFaults(awssim.Fault{Action: "AssumeRole", Code: "ServiceUnavailable"})
	if err := pause(ctx, f.size.outage); err != nil {
		return err
	}
	calls = f.aws.Counts()["AssumeRole"] - calls
	f.aws.SetFaults()
	end := time.Now()
	left, ranOut := f.ledger.shortest(end), f.ledger.expired()
	f.say("STS: back")
	if err := f.ledger.until(ctx, f.size.identities+1, func(h holding) bool { return h.seen.After(end) }); err != nil {
		return err
	}
	f.against(fmt.Sprintf("the same: after an outage of STS of %s, with sessions of %s, until all have new credentials", f.size.outage, f.size.session), time.Since(end))
	f.report.detail("At the end of the outage the shortest credentials had %.0f s left, and %d had expired. It cost %.1f refused calls of STS for each identity.",
		left.Seconds(), ranOut, float64(calls)/float64(f.size.identities))
	return nil
}

// change changes the annotation of all ServiceAccounts.
func (f *fleet) change(ctx context.Context) error {
	f.say("ServiceAccounts: another role for all")
	begin := time.Now()
	err := many(ctx, f.size.identities, func(ctx context.Context, i int) error {
		_, err := f.Client().CoreV1().ServiceAccounts(fleetNamespace(i%f.size.namespaces)).Patch(ctx, fmt.Sprintf("app-%d", i), types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"iam.amazonaws.com/role":"other"}}}`), metav1.PatchOptions{})
		return err
	})
	if err != nil {
		return err
	}
	changed := time.Since(begin)
	other := system.ARN(system.AccountID, "", "other")
	if err = f.ledger.until(ctx, f.size.identities, func(h holding) bool { return h.role == other }); err != nil {
		return err
	}
	f.against("the same: after the annotation of each has changed, until all Secrets follow", time.Since(begin))
	f.report.detail("To change the annotations of %d ServiceAccounts alone took %.0f s.", f.size.identities, changed.Seconds())
	return nil
}
