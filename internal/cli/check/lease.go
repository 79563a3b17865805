package check

import (
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"kube-aws-iam-controller/internal/cli/finding"
)

func checkLease(f *facts) []finding.Finding {
	const check = "lease"
	if c := f.controller(); c != nil && c.ConfigError == nil && !c.Config.LeaderElect {
		return ok(check, "the controller runs without leader election")
	}
	switch lease := f.lease.value; {
	case len(f.controllers.value) == 0 && f.controllers.err == nil:
		return nil // checkController says it
	case f.lease.err != nil:
		return unseen(check, "get the Lease of the controller", f.lease.err)
	case lease == nil:
		return broken(check, "the controller has no Lease, so no replica of it works", "read its log, and see that it may create and update Leases")
	case lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "":
		return broken(check, fmt.Sprintf("nobody holds the Lease %s/%s", lease.Namespace, lease.Name), "see whether a replica is ready, and read its log")
	default:
		return f.checkHolder(lease)
	}
}

// checkHolder compares when the Lease was renewed, by the clock of its holder, with the
// clock of the API server.
func (f *facts) checkHolder(lease *coordinationv1.Lease) []finding.Finding {
	const check = "lease"
	holder, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	if lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil || f.now.IsZero() {
		return ok(check, "%s holds the Lease", holder)
	}
	age := f.now.Sub(lease.Spec.RenewTime.Time)
	switch held := time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second; {
	case age < -maxSkew:
		return warning(check, fmt.Sprintf("%s renewed the Lease %s in the future: the clock of its node is ahead of the API server's", holder, duration.HumanDuration(-age)),
			"synchronize the clocks: AWS rejects requests that are off by five minutes")
	case age > held:
		return broken(check, fmt.Sprintf("%s holds the Lease and has not renewed it for %s: no replica works", holder, duration.HumanDuration(age)),
			fmt.Sprintf("see whether the pod runs, and whether the clock of its node is behind: kubectl get pod %s --namespace %s", holder, lease.Namespace))
	}
	return ok(check, "%s holds the Lease and renews it", holder)
}
