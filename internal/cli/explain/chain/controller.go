package chain

import (
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
)

var controllerRules = []rule{
	// Without the list there is nothing to judge.
	func(f *Facts) *finding.Finding {
		if f.Controllers.Unknown != "" {
			return unknown(f.Controllers.Unknown)
		}
		return nil
	},
	// Nobody issues credentials.
	func(f *Facts) *finding.Finding {
		if len(f.Controllers.Value) > 0 {
			return nil
		}
		return broken("no Deployment of "+api.ControllerName+" is in the cluster", "install it: kubectl aws-iam check --pre, and docs/install.md")
	},
	// There are controllers, each for another namespace.
	func(f *Facts) *finding.Finding {
		if len(f.Serving()) > 0 {
			return nil
		}
		var all []string
		for _, c := range f.Controllers.Value {
			all = append(all, c.Name()+" with --namespace="+c.Config.Namespace)
		}
		return broken(fmt.Sprintf("no controller serves the namespace %s: there is %s", f.Key.Namespace, strings.Join(all, ", ")),
			"install a controller for this namespace, or run one without --namespace")
	},
	func(f *Facts) *finding.Finding {
		d := f.controller().Deployment
		if replicas := d.Spec.Replicas; replicas == nil || *replicas > 0 {
			return nil
		}
		return broken("the controller "+f.controller().Name()+" is scaled to zero", in(d, "kubectl scale deployment/"+d.Name+" --replicas=2"))
	},
	func(f *Facts) *finding.Finding {
		d := f.controller().Deployment
		if d.Status.ReadyReplicas > 0 {
			return nil
		}
		return broken("no replica of the controller "+f.controller().Name()+" is ready", in(d, "kubectl logs deployment/"+d.Name)+
			" and "+in(d, "kubectl describe pods --selector app.kubernetes.io/name="+api.ControllerName))
	},
	// What it runs with decides about much that follows.
	func(f *Facts) *finding.Finding {
		if err := f.controller().ConfigError; err != nil {
			return unknown(err.Error())
		}
		return nil
	},
	// Both write the same Secrets, each for its own external ID.
	func(f *Facts) *finding.Finding {
		serving := f.Serving()
		if len(serving) < 2 {
			return nil
		}
		return warning(fmt.Sprintf("%d controllers serve this namespace: %s and %s", len(serving), serving[0].Name(), serving[1].Name()),
			"remove one of them, or give each --namespace and a Lease of its own")
	},
	func(f *Facts) *finding.Finding {
		d := f.controller().Deployment
		return ok(fmt.Sprintf("%s serves this namespace, with %d ready replicas", f.controller().Name(), d.Status.ReadyReplicas))
	},
}

// in adds the namespace of the Deployment to a command.
func in(d *appsv1.Deployment, command string) string { return command + " --namespace " + d.Namespace }

func electsLeader(f *Facts) bool {
	cfg, known := f.Config()
	return known && cfg.LeaderElect
}

// staleLease is how long a Lease may go without renewal: the leader renews it every two
// seconds, and a standby takes it over after 15.
const staleLease = time.Minute

var leaseRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Lease.Unknown != "" {
			return unknown(f.Lease.Unknown)
		}
		return nil
	},
	// Replicas run, and none may write.
	func(f *Facts) *finding.Finding {
		lease := f.Lease.Value
		if lease != nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
			return nil
		}
		d := f.controller().Deployment
		return broken("no replica of the controller "+f.controller().Name()+" holds the Lease, so none does anything", in(d, "kubectl logs deployment/"+d.Name))
	},
	// The leader is gone, and nobody has taken over.
	func(f *Facts) *finding.Finding {
		renewed := f.Lease.Value.Spec.RenewTime
		if renewed != nil && f.Now.Sub(renewed.Time) < staleLease {
			return nil
		}
		d := f.controller().Deployment
		return broken(fmt.Sprintf("the Lease %s/%s is held by %s, which has not renewed it for more than %s",
			f.Lease.Value.Namespace, f.Lease.Value.Name, *f.Lease.Value.Spec.HolderIdentity, staleLease), in(d, "kubectl logs deployment/"+d.Name))
	},
	func(f *Facts) *finding.Finding { return ok("held by " + *f.Lease.Value.Spec.HolderIdentity) },
}
