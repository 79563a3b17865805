package chain

import (
	"fmt"
	"time"

	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/secrets"
)

var secretRules = []rule{
	func(f *Facts) *finding.Finding {
		if f.Secret.Unknown != "" {
			return unknown(f.Secret.Unknown)
		}
		return nil
	},
	// The kubelet waits for it.
	func(f *Facts) *finding.Finding {
		if f.Secret.Value != nil {
			return nil
		}
		return broken(fmt.Sprintf("the Secret %s does not exist, so that pods wait for it", f.SecretName()),
			f.logs()+"; the controller writes it within seconds, or says why not in an event")
	},
	func(f *Facts) *finding.Finding {
		if _, ours := f.issuedState(); ours {
			return nil
		}
		return broken(fmt.Sprintf("the Secret %s is not the controller's, which does not change it", f.SecretName()),
			fmt.Sprintf("kubectl delete secret %s --namespace %s, if nobody needs it; otherwise recreate it under another name first", f.SecretName(), f.Key.Namespace))
	},
	func(f *Facts) *finding.Finding {
		have, _ := f.issuedState()
		if have.Valid(f.Now) {
			return nil
		}
		return broken(fmt.Sprintf("the credentials in the Secret %s expired at %s, and are not renewed", f.SecretName(), have.Expiration.Format(time.RFC3339)),
			f.logs()+" says why")
	},
	// The hash has the external ID in it.
	func(f *Facts) *finding.Finding {
		if _, known := f.Config(); !known {
			return unknown("whether the credentials are for what is asked for today, because the configuration of the controller is not known")
		}
		return nil
	},
	// Pods have an identity, but a different one.
	func(f *Facts) *finding.Finding {
		have, _ := f.issuedState()
		if f.issuedForToday() {
			return nil
		}
		return broken(fmt.Sprintf("the credentials in the Secret %s are those of %s, and were issued for an earlier request", f.SecretName(), have.RoleARN),
			"wait for some seconds after a change; then the events of the object say why: kubectl get events --namespace "+f.Key.Namespace+" --field-selector type=Warning")
	},
	func(f *Facts) *finding.Finding {
		have, _ := f.issuedState()
		cfg, _ := f.Config()
		if why, due := refresh.Due(f.Now.Add(-overdue), f.desired(), have, cfg.RefreshLimit); due {
			return warning(fmt.Sprintf("the credentials are valid until %s, and should have been renewed (%s)", have.Expiration.Format(time.RFC3339), why),
				f.logs()+" says why")
		}
		return ok(fmt.Sprintf("%s until %s", have.RoleARN, have.Expiration.Format(time.RFC3339)))
	},
}

// overdue is how late a renewal may be before that is reported.
const overdue = time.Minute

// SecretName returns the name of the Secret for the object.
func (f *Facts) SecretName() string { return secrets.Name(f.Key.Source, f.Key.Name) }

// desired returns the request, with no more than its key if there is none.
func (f *Facts) desired() identity.Desired {
	if want, _ := f.Want(); want != nil {
		return *want
	}
	return identity.Desired{Key: f.Key}
}

// issuedState returns what the Secret says, if it is the controller's.
func (f *Facts) issuedState() (have refresh.State, ours bool) {
	if f.Secret.Value == nil {
		return refresh.State{}, false
	}
	return secrets.Read(f.desired(), &f.Secret.Value.ObjectMeta)
}

// issuedForToday reports whether the Secret holds valid credentials for the current
// request.
func (f *Facts) issuedForToday() bool {
	have, ours := f.issuedState()
	_, known := f.Config()
	return ours && known && have.Valid(f.Now) && isUnderstood(f) && have.SpecHash == f.desired().SpecHash()
}

// issued returns when the credentials in the Secret were issued, the zero Time if unknown.
func (f *Facts) issued() time.Time {
	have, ours := f.issuedState()
	if !ours || have.Session == 0 {
		return time.Time{}
	}
	return have.Expiration.Add(-have.Session)
}
