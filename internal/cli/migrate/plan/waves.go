package plan

import (
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/convert"
)

// writeAccounts writes the wave of ServiceAccounts.
func writeAccounts(out *strings.Builder, in Input, moved []*convert.Account) {
	out.WriteString("\n2. ServiceAccounts. Apply them (--only ServiceAccount,RoleBinding,ClusterRoleBinding,Namespace prints just these). Running pods do not notice.\n")
	if len(moved) == 0 {
		out.WriteString("   All have their role already.\n")
	}
	for _, a := range moved {
		fmt.Fprintf(out, "   %s/%s: %s\n", a.Namespace, a.Name, change(a))
	}
	for _, a := range moved {
		fmt.Fprintf(out, "   kubectl -n %s get secret %s # is there once the role can be assumed\n", a.Namespace, a.Name+api.SecretSuffix)
	}
	if in.Region == "" {
		out.WriteString("   Pods that asked instance metadata, or the webhook of EKS, for their region no longer find it there: give it with --region, unless they set it themselves.\n")
	}
	for _, a := range moved {
		fmt.Fprintf(out, "   Back: kubectl -n %s annotate serviceaccount %s %s-\n", a.Namespace, a.Name, api.RoleAnnotation)
	}
}

// change says what becomes of a ServiceAccount.
func change(a *convert.Account) string {
	role := a.Role.String()
	switch {
	case !a.Created:
		return "gets the role " + role
	case a.From == "":
		return "is not among these manifests: applying it creates it, or adds the role " + role + " to it"
	default:
		return "is new, with the role " + role + ", in place of " + a.From +
			": give it those imagePullSecrets, bindings and policies of " + a.From + " that are not among these manifests"
	}
}

// use is one workload and its ServiceAccount.
type use struct {
	*convert.Account

	workload convert.Workload
}

// writeRollout writes the waves of workloads: one, then the rest.
func writeRollout(out *strings.Builder, in Input) {
	uses := usesOf(in.Result.Accounts)
	if len(uses) == 0 {
		out.WriteString("\n3. Workloads. None was read: restart those that use these ServiceAccounts, first one, then the rest.\n")
		return
	}
	out.WriteString("\n3. One workload. Roll it out, and look for errors of its AWS calls for as long as you please.\n")
	if slices.ContainsFunc(uses, func(u use) bool { return removes(in, u) }) {
		out.WriteString("   kubectl apply takes off what a manifest no longer has only from objects that it has made: use kubectl replace for others.\n")
	}
	writeUse(out, in, uses[0])
	fmt.Fprintf(out, "   Back: %s\n", back(in, uses[0]))
	writeUnnamed(out, uses[:1])
	out.WriteString("\n4. The rest.\n")
	if len(uses) == 1 {
		out.WriteString("   There is none.\n")
		return
	}
	for _, u := range uses[1:] {
		writeUse(out, in, u)
	}
	out.WriteString("   Back: as in step 3.\n")
	writeUnnamed(out, uses[1:])
}

func writeUse(out *strings.Builder, in Input, u use) {
	fmt.Fprintf(out, "   %s in %s, as %s%s: %s\n", u.workload, u.Namespace, u.Name, precedence(in, u.System), forward(u))
}

// precedence says what pods use that have the old and the new credentials.
func precedence(in Input, system convert.System) string {
	switch {
	case system == convert.IRSA && !in.RemoveOld:
		return " (its SDKs go on with IRSA until --remove-old)"
	case system == convert.AWSIAMRole:
		return " (the mount written by hand is replaced)"
	default:
		return ""
	}
}

// restarted are the kinds that kubectl rollout knows.
var restarted = []string{"Deployment", "DaemonSet", "StatefulSet"}

// forward says how the pods of a workload are replaced.
func forward(u use) string {
	switch kind := u.workload.Kind; {
	case kind == "Pod" || kind == "Job":
		return "its pods cannot be changed: delete it and create it as printed"
	case u.workload.Changed:
		return "apply it"
	case slices.Contains(restarted, kind):
		return fmt.Sprintf("kubectl -n %s rollout restart %s", u.Namespace, strings.ToLower(u.workload.String()))
	default:
		return "its next pods"
	}
}

// back says how a workload gets its old pods again.
func back(in Input, u use) string {
	switch {
	case u.workload.Kind == "Pod" || u.workload.Kind == "Job":
		return "delete it and create it as it was"
	case u.workload.Changed && removes(in, u):
		return "apply it as it was, and not by kubectl rollout undo: kubectl apply would leave in place what that brings back"
	case u.workload.Changed && slices.Contains(restarted, u.workload.Kind):
		return fmt.Sprintf("apply it as it was, or kubectl -n %s rollout undo %s", u.Namespace, strings.ToLower(u.workload.String()))
	case u.workload.Changed:
		return "apply it as it was"
	default:
		return "go back in step 2, then replace its pods once more"
	}
}

// settable are the kinds whose pods kubectl set serviceaccount can change.
var settable = []string{"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "CronJob"}

// writeUnnamed writes how pods that named no ServiceAccount get back to that. The API server keeps the name in two fields,
// and kubectl apply removes only the one that it has set.
func writeUnnamed(out *strings.Builder, uses []use) {
	for _, u := range uses {
		if u.workload.Unnamed && slices.Contains(settable, u.workload.Kind) {
			fmt.Fprintf(out, "   Back: kubectl -n %s set serviceaccount %s default # besides, because applying a manifest that names none leaves %s\n",
				u.Namespace, strings.ToLower(u.workload.String()), u.Name)
		}
	}
}

// removes reports whether the converted manifest lacks something that was there before.
func removes(in Input, u use) bool {
	return u.workload.Wired && (in.RemoveOld || u.System == convert.AWSIAMRole)
}

// usesOf returns all workloads, with those that roll out gradually first: the first one
// is the canary.
func usesOf(accounts []*convert.Account) (all []use) {
	for _, a := range accounts {
		for _, workload := range a.Workloads {
			all = append(all, use{a, workload})
		}
	}
	slices.SortStableFunc(all, func(a, b use) int { return rank(a.workload) - rank(b.workload) })
	return all
}

func rank(workload convert.Workload) int {
	if i := slices.Index(restarted, workload.Kind); i >= 0 {
		return i
	}
	return len(restarted)
}
