package plan

import (
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/sts"
)

// A role is a role and who uses it.
type role struct {
	name  string
	users []string
	// namespaces are those of the users, in order.
	namespaces []*namespace
	// unknown are AWSIAMRoles whose session names are not known, because those begin with
	// the account of the role.
	unknown []string
}

// A namespace has the session names under which its objects use a role.
type namespace struct {
	name     string
	sessions []string
}

// rolesOf returns the roles of ServiceAccounts, with the AWSIAMRoles that use them as well.
func rolesOf(result *convert.Result) (all []*role) {
	for _, a := range result.Accounts {
		i := slices.IndexFunc(all, func(r *role) bool { return r.name == a.Role.String() })
		if i < 0 {
			i = len(all)
			all = append(all, &role{name: a.Role.String()})
		}
		all[i].add(a.Namespace+"/"+a.Name, a.Namespace, sts.ServiceAccountSessionName(a.Namespace, a.Name))
	}
	for _, r := range all {
		for _, served := range result.Served {
			if served.Role.String() == r.name {
				r.addServed(served)
			}
		}
	}
	slices.SortFunc(all, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return all
}

func (r *role) addServed(served convert.Served) {
	if user := served.Namespace + "/" + served.Name; !served.Role.Resolved() {
		r.unknown = append(r.unknown, user)
		return
	}
	want := identity.Desired{Key: identity.Key{Source: identity.AWSIAMRole, Namespace: served.Namespace, Name: served.Name}}
	r.add("AWSIAMRole "+served.Namespace+"/"+served.Name, served.Namespace, sts.SessionName(want, served.Role))
}

// add adds a user and its session name, each once.
func (r *role) add(user, in, session string) {
	if !slices.Contains(r.users, user) {
		r.users = append(r.users, user)
	}
	i := slices.IndexFunc(r.namespaces, func(n *namespace) bool { return n.name == in })
	if i < 0 {
		i = len(r.namespaces)
		r.namespaces = append(r.namespaces, &namespace{name: in})
	}
	if n := r.namespaces[i]; !slices.Contains(n.sessions, session) {
		n.sessions = append(n.sessions, session)
	}
}
