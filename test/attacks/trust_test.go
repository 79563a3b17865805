package attacks

import (
	"context"
	"errors"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

const (
	byOtherAccounts = "the external ID check for roles of other accounts"
	bySession       = "the trust policy of a managed role requires the session name of its ServiceAccount"
	byNoTags        = "the trust policy of a managed role refuses a caller with the session tags of EKS Pod Identity"
)

// elsewhere adds a role of another account, with conditions of somebody's choice on who may assume it.
func (a *attacker) elsewhere(principal, condition string) string {
	a.t.Helper()
	arn, err := a.aws.AddRole(awssim.RoleSpec{
		Account: kit.OtherAccountID, Name: a.namespace + "-open",
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":["sts:AssumeRole","sts:TagSession"]` + condition + `}]}`,
	})
	require.NoError(a.t, err)
	return arn
}

// neighbours has a role made for one ServiceAccount of the attacker's namespace, and returns its ARN.
func (a *attacker) neighbours() string {
	a.t.Helper()
	a.ask("neighbour", "role-policy", readBucket)
	return string(a.got("neighbour.aws-iam").Data["role-arn"])
}

// trustAttacks are on what roles trust, as it is installed.
var trustAttacks = []attack{
	{
		intent: "use a role of another account that trusts the controller's whole account", by: byOtherAccounts,
		try: onAccount(func(a *attacker) string { return a.elsewhere("arn:aws:iam::"+kit.AccountID+":root", "") },
			"ExternalIDNotEnforced", "can be assumed under any external ID"),
	},
	{
		intent: "use a role of another account that accepts any external ID", by: byOtherAccounts,
		try: onAccount(func(a *attacker) string {
			return a.elsewhere(a.principal, `,"Condition":{"StringLike":{"sts:ExternalId":"*"}}`)
		}, "ExternalIDNotEnforced", "can be assumed under any external ID"),
	},
	{
		intent: "use the managed role of another ServiceAccount of the namespace", by: bySession,
		try: onAccount((*attacker).neighbours, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use the managed role of a ServiceAccount, by an AWSIAMRole of the namespace", by: bySession,
		try: onResource((*attacker).neighbours, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use the managed role of another ServiceAccount, by a name that its session name begins with", by: bySession + "; a name that is cut contains a hash",
		try: func(a *attacker) {
			arn := a.neighbours()
			for _, name := range []string{"neighbour.app", "neighbour-" + strings.Repeat("x", 80)} {
				a.ask(name, "role", arn)
				a.warned("ServiceAccount", name, "GetCredentialsFailed", notAuthorized)
				a.nothing(name + ".aws-iam")
			}
		},
	},
}

// podIdentityAttacks are tried against a controller under EKS Pod Identity whose association does not disable session tags.
var podIdentityAttacks = []attack{
	{
		intent: "get a session with the controller's own tags, and what is granted by tag to its namespace", by: byNoTags,
		try: func(a *attacker) {
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "GetCredentialsFailed", "--disable-session-tags")
			a.nothing("app.aws-iam")
			assert.NotEmpty(a.t, a.calls("CreateRole", "RoleName", a.namespace), "it is STS that refuses")
		},
	},
	{
		intent: "the same, while the controller changes its role", by: byNoTags,
		try: func(a *attacker) {
			a.ask("app", "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "GetCredentialsFailed", "--disable-session-tags")
			a.askAgain(`{"iam.amazonaws.com/managed-policies":"arn:aws:iam::aws:policy/None"}`)
			a.eventually(func(context.Context) error {
				if len(a.calls("AttachRolePolicy", "RoleName", a.namespace)) == 0 {
					return errors.New("nothing was changed yet")
				}
				return nil
			})
			a.nothing("app.aws-iam")
		},
	},
}
