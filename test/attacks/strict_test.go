package attacks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const (
	byRules = "namespace rules, which are matched against the whole ARN"
	byProof = "the external ID check, which every process makes itself"
)

// open adds a role whose statements have conditions of the attacker's choice.
func (a *attacker) open(assume, tag string) string {
	a.t.Helper()
	principal := `{"Effect":"Allow","Principal":{"AWS":"` + a.principal + `"},"Action":`
	arn, err := a.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Name: a.namespace + "-open",
		Trust: `{"Version":"2012-10-17","Statement":[` + principal + `"sts:AssumeRole"` + assume + `},` + principal + `"sts:TagSession"` + tag + `}]}`,
	})
	require.NoError(a.t, err)
	return arn
}

// strictAttacks are tried against rules that let a namespace use roles that begin with its name, and no others, and a controller that
// wants proof that roles ask for the external ID.
var strictAttacks = []attack{
	{
		intent: "use a role that the namespace may not use", by: byRules,
		try: onAccount(text("somebody-elses"), "RoleNotPermitted", "may not use role"),
	},
	{
		intent: "use a role that the namespace may not use, by an AWSIAMRole", by: byRules,
		try: onResource(text("somebody-elses"), "RoleNotPermitted", "may not use role"),
	},
	{
		intent: "use a role with a permitted name in another account", by: byRules,
		try: onAccount(func(a *attacker) string { return kit.ARN(kit.OtherAccountID, "", a.namespace+"-app") }, "RoleNotPermitted", "may not use role"),
	},
	{
		intent: "use a role with a permitted name in another partition", by: byRules + "; a role belongs to one partition",
		try: onAccount(func(a *attacker) string {
			return strings.Replace(kit.ARN(kit.AccountID, "", a.namespace+"-app"), "arn:aws:", "arn:aws-cn:", 1)
		}, "GetCredentialsFailed", "cannot be assumed across partitions"),
	},
	{
		intent: "use another role by a path that begins like a permitted name", by: byRules + "; the path is part of the ARN, and STS does not resolve `..`",
		try: func(a *attacker) {
			for name, path := range map[string]string{"up": a.namespace + "/../", "down": a.namespace + "-x/", "dot": a.namespace + "/./../"} {
				a.ask(name, "role", path+roleName(a.roles["app"]))
				a.warned("ServiceAccount", name, "GetCredentialsFailed", notAuthorized)
				a.nothing(name + ".aws-iam")
			}
		},
	},
	{
		intent: "use a role whose name contains a permitted one", by: byRules,
		try: onAccount(func(a *attacker) string { return "x-" + a.namespace + "-app" }, "RoleNotPermitted", "may not use role"),
	},
	{
		intent: "use a permitted name in different case", by: byRules,
		try: onAccount(func(a *attacker) string { return strings.ToUpper(a.namespace) + "-app" }, "RoleNotPermitted", "may not use role"),
	},
	{
		intent: "have a role created that the namespace may not use", by: byRules,
		try: func(a *attacker) {
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "RoleNotPermitted", "may not use role")
			assert.Empty(a.t, a.calls("CreateRole", "RoleName", a.namespace))
		},
	},
	{
		intent: "keep credentials that are no longer permitted, by a malformed annotation", by: "rules are checked for existing credentials first, then for what is asked for",
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			a.got("app.aws-iam")
			a.askAgain(`{"iam.amazonaws.com/role":"broken//role"}`)
			a.warned("ServiceAccount", "app", "InvalidAnnotation", "broken//role")
			a.rules(`["other"]`)
			a.gone("app.aws-iam")
		},
	},
	{
		intent: "keep credentials that are no longer permitted, by forging the role on the Secret", by: "a role that cannot be parsed is renewed, and refused",
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			a.got("app.aws-iam")
			require.NoError(a.t, a.patch("secrets", "app.aws-iam", `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"unreadable"}}}`, manager))
			a.rules(`["other"]`)
			a.gone("app.aws-iam")
		},
	},
	{
		intent: "use a role that requires no external ID", by: byProof,
		try: onAccount(func(a *attacker) string { return a.open("", "") }, "ExternalIDNotEnforced", "can be assumed under any external ID"),
	},
	{
		intent: "use a role that requires no external ID, by an AWSIAMRole", by: byProof,
		try: onResource(func(a *attacker) string { return a.open("", "") }, "ExternalIDNotEnforced", "can be assumed under any external ID"),
	},
	{
		intent: "use a role that accepts every namespace of the cluster", by: byProof + ", with an external ID of the same cluster",
		try: onAccount(func(a *attacker) string {
			return a.open(`,"Condition":{"StringLike":{"sts:ExternalId":"*/test"}}`, "")
		}, "ExternalIDNotEnforced", "can be assumed under any external ID"),
	},
	{
		intent: "use a role that refuses only external IDs that are never sent", by: byProof,
		try: onAccount(func(a *attacker) string {
			return a.open(`,"Condition":{"Null":{"sts:ExternalId":"false"}}`, "")
		}, "ExternalIDNotEnforced", "can be assumed under any external ID"),
	},
	{
		intent: "use a role that requires no external ID, by forging the result of the check on a Secret", by: byProof,
		try: func(a *attacker) {
			arn := a.open("", "")
			require.NoError(a.t, a.forge(arn, soon()))
			a.askAgain(`{"iam.amazonaws.com/role":"` + arn + `"}`)
			a.warned("ServiceAccount", "app", "ExternalIDNotEnforced", "can be assumed under any external ID")
			a.eventually(func(ctx context.Context) error { return a.holdsOnly(ctx, "") })
		},
	},
	{
		intent: "use a role that requires no external ID, by forging it as the last good one of a malformed annotation", by: byProof,
		try: func(a *attacker) {
			require.NoError(a.t, a.forge(a.open("", ""), soon()))
			a.warned("ServiceAccount", "app", "ExternalIDNotEnforced", "can be assumed under any external ID")
			a.eventually(func(ctx context.Context) error { return a.holdsOnly(ctx, "") })
		},
	},
	{
		intent: "use a role that requires no external ID, by forging it as the managed role of a ServiceAccount", by: byOwner,
		try: func(a *attacker) {
			a.rules(`["*"]`)
			a.ask("app", "role-policy", readBucket)
			made := a.got("app.aws-iam")
			arn := a.open("", "")
			role, err := a.iam.GetRole(a.t.Context(), &iam.GetRoleInput{RoleName: new(roleName(arn))})
			require.NoError(a.t, err)
			forged := `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"` + arn + `","iam.amazonaws.com/role-id":"` + *role.Role.RoleId +
				`","iam.amazonaws.com/expiration":"` + soon() + `"}}}`
			require.NoError(a.t, a.patch("secrets", "app.aws-iam", forged, manager))
			a.eventually(func(ctx context.Context) error {
				have, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
				if err == nil && string(have.Data["credentials"]) == string(made.Data["credentials"]) &&
					!a.said("ServiceAccount", "app", "RoleNotOwned") {
					err = errors.New("nothing came of it yet")
				}
				return errors.Join(err, a.holdsOnly(ctx, roleName(string(made.Data["role-arn"]))))
			})
		},
	},
	{
		intent: "use a role by the tags of another tenant's session", by: "session tags are computed from the object's own namespace and name",
		try: onAccount(func(a *attacker) string {
			return a.open(`,"Condition":{"StringEquals":{"sts:ExternalId":"`+a.namespace+`/test"}}`,
				`,"Condition":{"StringEquals":{"aws:RequestTag/kubernetes-namespace":"`+a.victim+`"}}`)
		}, "GetCredentialsFailed", "is not authorized to perform: sts:TagSession"),
	},
}

// holdsOnly returns an error if the Secret app.aws-iam holds credentials of another role, "" for any.
func (a *attacker) holdsOnly(ctx context.Context, role string) error {
	have, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
	if err != nil {
		return kit.IgnoreNotFound(err)
	}
	who, err := a.holder(ctx, have)
	if err == nil && (role == "" || !strings.Contains(who, ":assumed-role/"+role+"/")) {
		return fmt.Errorf("these are credentials of %s", who)
	}
	return nil
}

// rules has an administrator change what the attacker's namespace may use.
func (a *attacker) rules(globs string) {
	a.t.Helper()
	_, err := a.Kubectl(a.t.Context(), "annotate", "--overwrite", "namespace", a.namespace, "iam.amazonaws.com/allowed-roles="+globs)
	require.NoError(a.t, err)
}
