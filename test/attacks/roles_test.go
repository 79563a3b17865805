package attacks

import (
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

// What stops attacks on roles.
const (
	byTrust     = "the external ID, which names the namespace and which the role's trust policy requires"
	byParsing   = "role names and ARNs are parsed strictly"
	byOwnership = "the controller's own roles are recognized by account and name, whatever the path and case"
	byComputing = "external ID and session name are computed from the object's namespace and name"
)

// onAccount asks for a role on a ServiceAccount.
func onAccount(role func(*attacker) string, reason, says string) func(*attacker) {
	return func(a *attacker) {
		a.ask("app", "role", role(a))
		a.warned("ServiceAccount", "app", reason, says)
		a.nothing("app.aws-iam")
	}
}

// onResource asks for it on an AWSIAMRole.
func onResource(role func(*attacker) string, reason, says string) func(*attacker) {
	return func(a *attacker) {
		require.NoError(a.t, a.kubectl(resource("db", nil, role(a)), "create", "-f", "-"))
		a.warned("AWSIAMRole", "db", reason, says)
		a.nothing("db")
	}
}

func theVictims(a *attacker) string { return a.roles["app"] }

// text is a role that needs no looking up.
func text(role string) func(*attacker) string { return func(*attacker) string { return role } }

const notAuthorized = "is not authorized to perform: sts:AssumeRole"

var roleAttacks = []attack{
	{
		intent: "use another tenant's role, by its ARN", by: byTrust,
		try: onAccount(theVictims, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use another tenant's role, by its name", by: byTrust,
		try: onAccount(func(a *attacker) string { return roleName(a.roles["app"]) }, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use another tenant's role, by an AWSIAMRole", by: byTrust,
		try: onResource(theVictims, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use another tenant's role, in capitals", by: byTrust,
		try: onAccount(func(a *attacker) string { return strings.ToUpper(roleName(a.roles["app"])) }, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use the managed role of another tenant's ServiceAccount", by: byTrust,
		try: onAccount(func(a *attacker) string { return a.roles["own"] }, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use the managed role of another tenant's ServiceAccount, by an AWSIAMRole", by: byTrust,
		try: onResource(func(a *attacker) string { return a.roles["own"] }, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "use another tenant's role of another account", by: byTrust,
		try: onAccount(func(a *attacker) string {
			arn, err := a.aws.AddRole(awssim.RoleSpec{
				Account: kit.OtherAccountID, Name: a.namespace, Trust: kit.TrustPolicy(a.principal, a.victim+"/test"),
			})
			require.NoError(a.t, err)
			return arn
		}, "GetCredentialsFailed", notAuthorized),
	},
	{
		intent: "set another tenant's external ID in an annotation", by: byComputing,
		try: func(a *attacker) {
			a.ask("app", "role", a.roles["app"], "external-id", a.victim+"/test", "namespace", a.victim, "cluster-name", "test")
			a.warned("ServiceAccount", "app", "GetCredentialsFailed", notAuthorized)
			a.nothing("app.aws-iam")
		},
	},
	{
		intent: "set another tenant's external ID in an AWSIAMRole", by: byComputing,
		try: func(a *attacker) {
			manifest := strings.Replace(resource("db", map[string]string{"namespace": a.victim}, a.roles["app"]), `"spec":{`,
				`"spec":{"externalID":"`+a.victim+`/test","namespace":"`+a.victim+`",`, 1)
			require.NoError(a.t, a.kubectl(manifest, "create", "--validate=false", "-f", "-"))
			a.warned("AWSIAMRole", "db", "GetCredentialsFailed", notAuthorized)
			a.nothing("db")
		},
	},
	{
		intent: "inject another tenant's external ID through the role's value", by: byParsing + "; requests to STS are encoded",
		try: func(a *attacker) {
			for name, role := range map[string]string{
				"line": a.roles["app"] + "\nExternalId=" + a.victim + "/test", "space": a.roles["app"] + " " + a.victim + "/test",
				"session": strings.Replace(strings.Replace(a.roles["app"], ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/s",
			} {
				a.ask(name, "role", role)
				a.warned("ServiceAccount", name, "InvalidAnnotation", "iam.amazonaws.com/role: ")
				a.nothing(name + ".aws-iam")
			}
			for name, between := range map[string]string{"ampersand": "&", "question": "?", "percent": "%26"} { // which paths may hold
				a.ask(name, "role", a.roles["app"]+between+"ExternalId="+a.victim+"/test")
				a.warned("ServiceAccount", name, "GetCredentialsFailed", notAuthorized)
				a.nothing(name + ".aws-iam")
			}
		},
	},
	{
		intent: "get an external ID that begins or ends like another tenant's, by names of ServiceAccounts", by: byComputing,
		try: func(a *attacker) {
			for _, name := range []string{a.victim, a.victim + ".test", a.victim + ".app", "test"} {
				a.ask(name, "role", a.roles["app"])
				a.warned("ServiceAccount", name, "GetCredentialsFailed", notAuthorized)
				a.nothing(name + ".aws-iam")
			}
		},
	},
	{
		intent: "get the session name of another tenant's ServiceAccount, which a role requires", by: byComputing,
		try: func(a *attacker) {
			arn, err := a.aws.AddRole(awssim.RoleSpec{Account: kit.AccountID, Name: a.namespace + "-by-session", Trust: strings.Replace(
				kit.TrustPolicy(a.principal, a.namespace+"/test"), `"StringEquals":{`, `"StringEquals":{"sts:RoleSessionName":"`+a.victim+`.app",`, 1)})
			require.NoError(a.t, err)
			for _, name := range []string{"app", a.victim + ".app", strings.Repeat("x", 64) + a.victim + ".app"} {
				a.ask(name, "role", arn)
				a.warned("ServiceAccount", name, "GetCredentialsFailed", notAuthorized)
			}
		},
	},
	{
		intent: "get the same session name for two long names", by: "a session name that is cut contains a hash of the whole name",
		try: func(a *attacker) {
			role, long := a.own("app"), strings.Repeat("x", 80)
			seen := map[string]bool{}
			for _, name := range []string{long + "-a", long + "-b"} {
				a.ask(name, "role", role)
				who, err := a.holder(a.t.Context(), a.got(name+".aws-iam"))
				require.NoError(a.t, err)
				seen[who] = true
			}
			assert.Len(a.t, seen, 2)
		},
	},
	{
		intent: "make the controller believe that a role is already known, by its own annotation on the ServiceAccount",
		by:     "that annotation is only written, never read; the guard refuses it to everybody else",
		try: func(a *attacker) {
			forged := account("app", map[string]string{"role-arn": a.roles["app"], "role": "iam/broken/", "session-duration": "1h"})
			_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), forged, metav1.CreateOptions{})
			if a.unlessGuarded(err) {
				a.warned("ServiceAccount", "app", "InvalidAnnotation", "iam.amazonaws.com/role: ")
				a.nothing("app.aws-iam")
			}
		},
	},
	{
		intent: "use a user, an instance profile, the account or another service's role as a role", by: byParsing,
		try: func(a *attacker) {
			for name, role := range map[string]string{
				"user": "arn:aws:iam::123456789012:user/admin", "root": "arn:aws:iam::123456789012:root",
				"profile": "arn:aws:iam::123456789012:instance-profile/x", "bucket": "arn:aws:s3:::role/x", "any": "*",
			} {
				a.ask(name, "role", role)
				a.warned("ServiceAccount", name, "InvalidAnnotation", "iam.amazonaws.com/role: ")
				a.nothing(name + ".aws-iam")
			}
		},
	},
	{
		intent: "get the controller's own role, by a ServiceAccount with the controller's name", by: byOwnership,
		try: func(a *attacker) {
			a.ask(kit.Account, "role", a.aws.ControllerRole)
			a.warned("ServiceAccount", kit.Account, "RoleNotPermitted", "is the controller's own role")
			a.nothing(kit.Account + ".aws-iam")
		},
	},
	{
		intent: "get the controller's own role, written with variables", by: byOwnership + "; they are compared after variables are expanded",
		try: onAccount(text("arn:$(partition):iam::$(account):role/$(namespace)/kube-aws-iam-controller"), "RoleNotPermitted", "is the controller's own role"),
	},
	{
		intent: "have an existing role changed, by asking for a policy as well", by: "role and role-policy cannot be combined",
		try: func(a *attacker) {
			a.ask("app", "role", a.roles["app"], "role-policy", readBucket)
			a.warned("ServiceAccount", "app", "InvalidAnnotation", "cannot be combined")
			a.nothing("app.aws-iam")
		},
	},
}

// controllerAttacks ask for the controller's own role.
var controllerAttacks = spellings(map[string]string{
	"by its name":                     "kube-aws-iam-controller",
	"by its path and name":            "infra/kube-aws-iam-controller",
	"by its ARN":                      "arn:aws:iam::123456789012:role/infra/kube-aws-iam-controller",
	"by its ARN without the path":     "arn:aws:iam::123456789012:role/kube-aws-iam-controller",
	"by an ARN with another path":     "arn:aws:iam::123456789012:role/team/kube-aws-iam-controller",
	"by its name in capitals":         "KUBE-AWS-IAM-CONTROLLER",
	"by its ARN in different case":    "arn:aws:iam::123456789012:role/infra/Kube-Aws-Iam-Controller",
	"by another partition's spelling": "arn:aws-cn:iam::123456789012:role/infra/kube-aws-iam-controller",
	"by a path that contains `..`":    "x/../kube-aws-iam-controller",
})

// throughAttacks ask for the intermediate role, or the one behind it.
var throughAttacks = spellings(map[string]string{
	"that is assumed first, by its name":                             "through",
	"that is assumed first, by its ARN":                              "arn:aws:iam::123456789012:role/infra/through",
	"that is assumed first, in different case and with another path": "team/THROUGH",
	"behind the one that is assumed first, by name":                  "kube-aws-iam-controller",
	"behind the one that is assumed first, by ARN":                   "arn:aws:iam::123456789012:role/infra/kube-aws-iam-controller",
})

// spellings asks for a role of the controller's on a ServiceAccount and on an AWSIAMRole.
func spellings(roles map[string]string) (attacks []attack) {
	for _, how := range sortedKeys(roles) {
		role := roles[how]
		reason, says := "RoleNotPermitted", "is the controller's own role, which only objects in the controller's own namespace may use"
		if strings.Contains(role, "aws-cn") {
			reason, says = "GetCredentialsFailed", "cannot be assumed across partitions"
		}
		attacks = append(attacks,
			attack{intent: "get the controller's own role " + how, by: byOwnership, try: onAccount(text(role), reason, says)},
			attack{intent: "get the controller's own role " + how + ", on an AWSIAMRole", by: byOwnership, try: onResource(text(role), reason, says)})
	}
	return attacks
}
