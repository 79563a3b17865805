package chain

import (
	"slices"

	"kube-aws-iam-controller/internal/cli/finding"
)

// A rule returns its conclusion, nil if it does not apply.
type rule func(*Facts) *finding.Finding

// A link is one thing that has to hold. The first of its rules that applies decides, so
// they go from what rules out the others to what is sound.
type link struct {
	check string
	// concerns reports whether the link is part of the chain of an object; nil for always.
	concerns func(*Facts) bool
	rules    []rule
}

// chain is in the order of cause and effect: what is broken first is why what follows is.
var chain = []link{
	{"controller", nil, controllerRules},
	{"lease", electsLeader, leaseRules},
	{"admission", usesAdmission, admissionRules},
	{"guard", usesAdmission, guardRules},
	{"pod creation", refusalsConcern, refusalRules},
	{"namespace", nil, namespaceRules},
	{"serviceaccount", namesServiceAccount, accountRules},
	{"awsiamrole", isAWSIAMRole, awsiamroleRules},
	{"annotations", asksForSomething, annotationRules},
	{"session policy", limitsSessions, sessionPolicyRules},
	{"namespace rules", isUnderstood, permissionRules},
	{"managed role", wantsManagedRole, managedRoleRules},
	{"policy hint", isHinted, policyHintRules},
	{"trust policy", wantsExistingRole, trustRules},
	{"events", isUnderstood, eventRules},
	{"secret", isUnderstood, secretRules},
	{"injection", podIsGiven, injectionRules},
	{"mount", podMountsByHand, mountRules},
	{"other tools", hasPod, otherToolRules},
	{"containers", podHasCredentials, nil},
	{"kubelet", hasPod, kubeletRules},
	{"sidecar", hasSidecar, sidecarRules},
	{"credential_process", usesProcess, processRules},
	{"pods", explainsIdentity, nil},
}

// each are the links that have a finding for each container or pod.
var each = map[string]func(*Facts) []finding.Finding{
	"containers": examineContainers,
	"pods":       examinePods,
}

// Examine returns a finding for each link that concerns the object, in order.
func Examine(f *Facts) []finding.Finding {
	var all []finding.Finding
	for _, l := range chain {
		switch {
		case l.concerns != nil && !l.concerns(f):
		case l.rules == nil:
			all = append(all, each[l.check](f)...)
		default:
			if found := decide(l.check, l.rules, f); found != nil {
				all = append(all, *found)
			}
		}
	}
	return all
}

// decide returns the conclusion of the first rule that applies.
func decide(check string, rules []rule, f *Facts) *finding.Finding {
	for _, r := range rules {
		if found := r(f); found != nil {
			found.Check = check
			return found
		}
	}
	return nil
}

// FirstBroken returns the first broken finding, nil if there is none.
func FirstBroken(findings []finding.Finding) *finding.Finding {
	i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.State == finding.Broken })
	if i < 0 {
		return nil
	}
	return &findings[i]
}

func ok(message string) *finding.Finding {
	return &finding.Finding{State: finding.OK, Message: message}
}

func broken(message, remedy string) *finding.Finding {
	return &finding.Finding{State: finding.Broken, Message: message, Remedy: remedy}
}

func warning(message, remedy string) *finding.Finding {
	return &finding.Finding{State: finding.Warning, Message: message, Remedy: remedy}
}

func unknown(why string) *finding.Finding {
	return &finding.Finding{State: finding.Unknown, Message: why, Remedy: "ask whoever may see it to run the same command"}
}

// sound ends a link at which nothing is wrong.
func sound(message string) rule {
	return func(*Facts) *finding.Finding { return ok(message) }
}
