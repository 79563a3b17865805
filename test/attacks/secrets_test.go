package attacks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

const (
	manager = "kube-aws-iam-controller"

	byOwner    = "a Secret that is not the controller's is never written, and a role is used only if it is managed or asked for"
	byGuard    = "the guard"
	byRestored = "the edit is undone, and the guard refuses it"
	byBudget   = "rate limits per identity and namespace"
)

var ourLabels = map[string]string{"app.kubernetes.io/managed-by": manager, "iam.amazonaws.com/source": "serviceaccount"}

// plant has the attacker create a Secret, under a field manager.
func (a *attacker) plant(secret *corev1.Secret, fieldManager string) error {
	a.t.Helper()
	_, err := a.tenant.CoreV1().Secrets(a.namespace).Create(a.t.Context(), secret, metav1.CreateOptions{FieldManager: fieldManager})
	return err
}

func planted(name string, labels, annotations map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: annotations},
		StringData: map[string]string{
			"credentials.json": `{"planted":true}`, "credentials": "planted", "credentials.process": "planted", "role-arn": "planted",
			"expire": "planted", "authorization-token": "planted",
		},
	}
}

// claims are the annotations of a Secret that says it holds credentials of a role.
func claims(role, expiration string) map[string]string {
	return map[string]string{
		"iam.amazonaws.com/role-arn": role, "iam.amazonaws.com/expiration": expiration, "iam.amazonaws.com/external-id": "x",
		"iam.amazonaws.com/spec-hash": "0123456789abcdef", "iam.amazonaws.com/session-duration": "3600",
		"iam.amazonaws.com/external-id-proven": time.Now().UTC().Format(time.RFC3339),
	}
}

// soon is when credentials run out that are to be renewed at once.
func soon() string { return time.Now().Add(time.Minute).UTC().Format(time.RFC3339) }

// forge has the ServiceAccount app ask for what cannot be meant, and plants a Secret that nothing tells from one that the
// controller wrote: labels, annotations, owner, keys and field manager are its own.
func (a *attacker) forge(role, expiration string) error {
	a.t.Helper()
	a.ask("app", "role", "broken//role")
	owner, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Get(a.t.Context(), "app", metav1.GetOptions{})
	require.NoError(a.t, err)
	forged := planted("app.aws-iam", ourLabels, claims(role, expiration))
	forged.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "app", UID: owner.UID}}
	return a.plant(forged, manager)
}

var secretAttacks = []attack{
	{
		intent: "plant a Secret with the name that another ServiceAccount's credentials will have", by: "`SecretConflict`: the Secret is left alone, and no credentials are written to it",
		try: func(a *attacker) {
			if !a.unlessGuarded(a.plant(planted("app.aws-iam", nil, nil), "kubectl")) {
				return
			}
			a.ask("app", "role", a.own("app"))
			a.warned("ServiceAccount", "app", "SecretConflict", "exists and does not belong to the controller")
			have, err := a.Client().CoreV1().Secrets(a.namespace).Get(a.t.Context(), "app.aws-iam", metav1.GetOptions{})
			require.NoError(a.t, err)
			assert.Equal(a.t, "planted", string(have.Data["credentials"]))
		},
	},
	{
		intent: "plant it with the controller's labels, so that pods run with the attacker's keys", by: byRestored,
		try: func(a *attacker) {
			if !a.unlessGuarded(a.plant(planted("app.aws-iam", ourLabels, nil), "kubectl")) {
				return
			}
			a.ask("app", "role", a.own("app"))
			a.eventually(func(ctx context.Context) error {
				have, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
				if err == nil {
					_, err = a.holder(ctx, have)
				}
				if err == nil && strings.Contains(fmt.Sprint(have.Data), "planted") {
					err = errors.New("what was planted is still there")
				}
				return err
			})
		},
	},
	{
		intent: "plant it with the controller's annotations, labels and field manager, so that it seems to hold another role", by: byOwner,
		try: func(a *attacker) {
			if a.unlessGuarded(a.forge(a.roles["app"], "2001-01-01T00:00:00Z")) {
				a.warned("ServiceAccount", "app", "GetCredentialsFailed", notAuthorized)
			}
		},
	},
	{
		intent: "make the controller's own role the last good one of a malformed annotation, by a forged Secret", by: byOwnership,
		try: func(a *attacker) {
			if a.unlessGuarded(a.forge(a.aws.ControllerARN(), "2001-01-01T00:00:00Z")) {
				a.warned("ServiceAccount", "app", "RoleNotPermitted", "is the controller's own role")
			}
		},
	},
	{
		intent: "have another tenant's role renewed as a managed role, by forging it on the Secret", by: byOwner,
		try: func(a *attacker) {
			a.ask("app", "role-policy", readBucket)
			before := a.got("app.aws-iam")
			forged := `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"` + a.roles["own"] + `","iam.amazonaws.com/expiration":"` + soon() + `"}}}`
			if !a.unlessGuarded(a.patch("secrets", "app.aws-iam", forged, manager)) {
				return
			}
			a.eventually(func(ctx context.Context) error {
				have, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
				if err == nil && (string(have.Data["credentials"]) == string(before.Data["credentials"]) ||
					have.Annotations["iam.amazonaws.com/role-arn"] != before.Annotations["iam.amazonaws.com/role-arn"]) {
					err = errors.New("it is not renewed with its own role yet")
				}
				return err
			})
		},
	},
	{
		intent: "have another tenant's role deleted with a ServiceAccount, by forging its ID and ARN on the Secret", by: "only the role with the right name and tags is deleted",
		try: func(a *attacker) {
			a.ask("app", "role-policy", readBucket)
			a.got("app.aws-iam")
			forged := `{"metadata":{"annotations":{"iam.amazonaws.com/role-arn":"` + a.roles["own"] + `","iam.amazonaws.com/role-id":"` +
				a.secrets["own"].Annotations["iam.amazonaws.com/role-id"] + `"}}}`
			a.unlessGuarded(a.patch("secrets", "app.aws-iam", forged, manager))
			require.NoError(a.t, a.tenant.CoreV1().ServiceAccounts(a.namespace).Delete(a.t.Context(), "app", metav1.DeleteOptions{}))
			a.gone("app.aws-iam")
		},
	},
	{
		intent: "read another tenant's Secret, by an owner reference to that tenant's ServiceAccount", by: "owner references always name the attacker's own object",
		try: func(a *attacker) {
			victim, err := a.Client().CoreV1().ServiceAccounts(a.victim).Get(a.t.Context(), "app", metav1.GetOptions{})
			require.NoError(a.t, err)
			forged := planted("app.aws-iam", ourLabels, claims(a.roles["app"], "2099-01-01T00:00:00Z"))
			forged.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "app", UID: victim.UID}}
			if a.unlessGuarded(a.plant(forged, manager)) {
				a.ask("app", "role", a.roles["app"])
				a.warned("ServiceAccount", "app", "GetCredentialsFailed", notAuthorized)
			}
		},
	},
	{
		intent: "make the controller delete Secrets, by giving them its labels", by: "only possible in the tenant's own namespace, and the guard refuses it",
		try: func(a *attacker) {
			if a.unlessGuarded(a.plant(planted("innocent.aws-iam", ourLabels, nil), "kubectl")) {
				a.gone("innocent.aws-iam")
			}
		},
	},
	{
		intent: "keep a Secret that nobody can write, by making it immutable", by: byRestored,
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			before := a.got("app.aws-iam")
			if a.unlessGuarded(a.patch("secrets", "app.aws-iam", `{"immutable":true}`, "kubectl")) {
				a.eventually(func(ctx context.Context) error {
					have, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
					if err == nil && (have.UID == before.UID || have.Immutable != nil) {
						err = errors.New("it is immutable still")
					}
					return err
				})
			}
		},
	},
	{
		intent: "keep credentials after they are taken away, by a finalizer on the Secret", by: "only the tenant's own copy stays, nothing waits for it, and the guard refuses it",
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			a.got("app.aws-iam")
			if !a.unlessGuarded(a.patch("secrets", "app.aws-iam", `{"metadata":{"finalizers":["example.com/stay"]}}`, manager)) {
				return
			}
			a.askAgain(`{"iam.amazonaws.com/role":null}`)
			a.eventually(func(ctx context.Context) error {
				have, err := a.Client().CoreV1().Secrets(a.namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
				if err == nil && have.DeletionTimestamp == nil {
					err = errors.New("it is not deleted yet")
				}
				return err
			})
			a.ask("next", "role", a.own("next"))
			a.got("next.aws-iam")
			_, err := a.Client().CoreV1().Secrets(a.namespace).Patch(a.t.Context(), "app.aws-iam", "application/merge-patch+json",
				[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			require.NoError(a.t, err)
		},
	},
	{
		intent: "take over a ServiceAccount's Secret, by an AWSIAMRole of that name", by: "an AWSIAMRole with the name of a ServiceAccount's Secret is refused",
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			secret := a.got("app.aws-iam")
			require.NoError(a.t, a.kubectl(resource("app.aws-iam", ourLabels, a.own("other")), "create", "-f", "-"))
			a.warned("AWSIAMRole", "app.aws-iam", "SecretConflict", "is reserved for the Secret of a ServiceAccount app")
			assert.Equal(a.t, secret.UID, a.got("app.aws-iam").UID)
		},
	},
	{
		intent: "have a ServiceAccount's pods use another role, by an AWSIAMRole with the Secret's name that exists first", by: "an AWSIAMRole with the name of a ServiceAccount's Secret is refused",
		try: func(a *attacker) {
			require.NoError(a.t, a.kubectl(resource("app.aws-iam", ourLabels, a.own("other")), "create", "-f", "-"))
			a.warned("AWSIAMRole", "app.aws-iam", "SecretConflict", "is reserved for the Secret of a ServiceAccount app")
			a.nothing("app.aws-iam")
			role := a.own("app")
			a.ask("app", "role", role)
			assert.Equal(a.t, kit.ARN(kit.AccountID, "", role), string(a.got("app.aws-iam").Data["role-arn"]))
			require.NoError(a.t, a.kubectl("", "delete", "awsiamrole", "app.aws-iam"))
			settled()
			assert.Equal(a.t, kit.ARN(kit.AccountID, "", role), string(a.got("app.aws-iam").Data["role-arn"]), "nor does it go with the resource")
		},
	},
	{
		intent: "make an AWSIAMRole's Secret look like a ServiceAccount's, by the resource's labels", by: "labels that mark the owner of a Secret are always set by the controller",
		try: func(a *attacker) {
			require.NoError(a.t, a.kubectl(resource("db", ourLabels, a.own("db")), "create", "-f", "-"))
			assert.NotContains(a.t, a.got("db").Labels, "iam.amazonaws.com/source")
		},
	},
	{
		intent: "use up the STS rate limit, by editing a Secret in a loop", by: byBudget,
		try: func(a *attacker) {
			role := a.own("app")
			a.ask("app", "role", role)
			a.got("app.aws-iam")
			for i := range 200 {
				err := a.patch("secrets", "app.aws-iam", fmt.Sprintf(`{"stringData":{"credentials":"%d"}}`, i), "kubectl")
				if a.guarded {
					a.forbidden(err)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			assert.Less(a.t, len(a.calls("AssumeRole", "RoleArn", kit.ARN(kit.AccountID, "", role))), 40, "requests to STS")
		},
	},
	{
		intent: "use up the STS rate limit, by changing an annotation in a loop", by: byBudget,
		try: func(a *attacker) {
			role := a.own("app")
			a.ask("app", "role", role)
			a.got("app.aws-iam")
			for i := range 200 {
				a.askAgain(fmt.Sprintf(`{"iam.amazonaws.com/session-duration":"%d"}`, 900+i))
				time.Sleep(20 * time.Millisecond)
			}
			assert.Less(a.t, len(a.calls("AssumeRole", "RoleArn", kit.ARN(kit.AccountID, "", role))), 40, "requests to STS")
		},
	},
	{
		intent: "use up the STS rate limit, by a role that refuses, changed in a loop", by: byBudget,
		try: func(a *attacker) {
			a.ask("app", "role", a.roles["app"])
			for i := range 200 {
				a.askAgain(fmt.Sprintf(`{"iam.amazonaws.com/session-duration":"%d"}`, 900+i))
				time.Sleep(20 * time.Millisecond)
			}
			assert.Less(a.t, len(a.calls("AssumeRole", "ExternalId", a.namespace+"/")), 40, "requests to STS")
		},
	},
}
