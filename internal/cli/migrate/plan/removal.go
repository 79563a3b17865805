package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
)

// writeRemoval writes the wave that removes what is not used any more.
func writeRemoval(out *strings.Builder, in Input) {
	out.WriteString("\n5. Removal, when no pod is left from before step 3. Until here every step can be undone by itself.\n")
	if !in.RemoveOld {
		out.WriteString("   Convert once more with --remove-old, which takes the old annotations off, and apply the result.\n")
		writeChangeover(out, in)
	}
	for _, a := range in.Result.Associations {
		writeDelete(out, a)
	}
	for _, role := range slices.Compact(slices.Sorted(slices.Values(in.Result.Roles))) {
		namespace, name, _ := strings.Cut(role, "/")
		fmt.Fprintf(out, "   kubectl -n %s delete awsiamrole %s # and its document\n", namespace, name)
	}
	if slices.ContainsFunc(in.Result.Served, func(s convert.Served) bool {
		return s.Role.Resolved() && slices.Contains(in.Result.Roles, s.Namespace+"/"+s.Name)
	}) {
		out.WriteString("   Take the session names of the AWSIAMRoles that are deleted out of the new statements.\n")
	}
	out.WriteString("   Take the old statements out of the trust policies, then uninstall what served the pods before.\n" +
		"   Back: install that again, put the statements in again, apply the manifests as they were, and restart the pods.\n")
	writeUnnamed(out, usesOf(in.Result.Accounts))
}

// writeChangeover writes which pods have to be replaced before the old statements are
// removed: those whose ServiceAccount gave them a token keep it, and their SDKs use it,
// whatever becomes of the annotation.
func writeChangeover(out *strings.Builder, in Input) {
	for _, a := range in.Result.Accounts {
		if a.System == convert.IRSA && len(a.Workloads) == 0 {
			fmt.Fprintf(out, "   Replace the pods that run as %s/%s: they use the token that they have until then.\n", a.Namespace, a.Name)
		}
	}
	for _, u := range usesOf(in.Result.Accounts) {
		if u.System == convert.IRSA && !u.workload.Wired {
			fmt.Fprintf(out, "   %s in %s, whose pods use the token that they have until they are replaced: %s\n", u.workload, u.Namespace, forward(u))
		}
	}
}

// writeDelete writes how an association is deleted, or found if it has no ID.
func writeDelete(out *strings.Builder, a convert.Association) {
	cluster := cmp.Or(a.Cluster, "CLUSTER")
	if a.ID == "" {
		fmt.Fprintf(out, "   aws eks list-pod-identity-associations --cluster-name %s --namespace %s --service-account %s # names its ID, for aws eks delete-pod-identity-association\n",
			cluster, a.Namespace, a.ServiceAccount)
		return
	}
	fmt.Fprintf(out, "   aws eks delete-pod-identity-association --cluster-name %s --association-id %s\n", cluster, a.ID)
}
