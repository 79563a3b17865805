package check

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"kube-aws-iam-controller/internal/cli/finding"
)

// A rule is one check: it says of facts what is sound and what is not. Rules are pure.
type rule func(f *facts) []finding.Finding

// rulesBefore are for a cluster without the controller, rulesAfter for one with it.
var (
	rulesBefore = []rule{checkServer, checkClock, checkInstaller, checkOthers}
	rulesAfter  = []rule{
		checkServer, checkClock, checkController, checkVersion, checkCRD, checkRights, checkAdmission, checkInjection, checkGuard, checkLease, checkAWS, checkOthers,
	}
)

// evaluate is pure.
func evaluate(f *facts) (all []finding.Finding) {
	rules := rulesAfter
	if f.before {
		rules = rulesBefore
	}
	for _, r := range rules {
		all = append(all, r(f)...)
	}
	return all
}

func ok(check, format string, args ...any) []finding.Finding {
	return []finding.Finding{{Check: check, State: finding.OK, Message: fmt.Sprintf(format, args...)}}
}

func warning(check, message, remedy string) []finding.Finding {
	return []finding.Finding{{Check: check, State: finding.Warning, Message: message, Remedy: remedy}}
}

func broken(check, message, remedy string) []finding.Finding {
	return []finding.Finding{{Check: check, State: finding.Broken, Message: message, Remedy: remedy}}
}

// unseen is the finding where the API server did not answer what was asked, such as
// "list Deployments".
func unseen(check, what string, err error) []finding.Finding {
	f := finding.Finding{Check: check, State: finding.Unknown, Message: "you may not " + what, Remedy: "run it with the rights of a cluster administrator"}
	if !apierrors.IsForbidden(err) {
		f.Message, f.Remedy = fmt.Sprintf("cannot %s: %v", what, err), ""
	}
	return []finding.Finding{f}
}
