package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stypes "k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"kube-aws-iam-controller/test/kit"
)

const (
	roleKey     = "iam.amazonaws.com/role"
	managedKey  = "iam.amazonaws.com/managed-policies"
	durationKey = "iam.amazonaws.com/session-duration"
	deletionKey = "iam.amazonaws.com/deletion-policy"
)

// outcome is what there is of one ServiceAccount in the end.
type outcome struct {
	Account, Held bool
	// Uses is the name of the role that the Secret's credentials are for: "own", another's, or "" for no Secret.
	Uses string
	Role ownState
}

// ownState is a role of one's own, zero for none.
type ownState struct {
	Trust, Policy, Boundary string
	Managed                 []string
	Session                 int32
	Retained                bool
}

// operation is something that a user, or somebody else, does to a ServiceAccount.
type operation struct {
	before map[string]string // its annotations, nil for no ServiceAccount
	do     func(w *crashPoints, name string)
	// wanted is the outcome, but for the trust and boundary that are always the same.
	wanted outcome
	// calls are among those after which the controller is killed.
	calls []string
}

var own = map[string]string{policyKey: readBucket}

func operations(managed string) map[string]operation {
	made := ownState{Policy: readBucket, Session: 3600}
	served := outcome{Account: true, Held: true, Uses: "own", Role: made}
	withdrawn := []string{"GetRole", "ListInstanceProfilesForRole", "ListAttachedRolePolicies", "ListRolePolicies", "DeleteRolePolicy", "DeleteRole"}
	return map[string]operation{
		"create": {
			do:     func(w *crashPoints, name string) { w.accountWith(name, own) },
			wanted: served, calls: []string{"PATCH serviceaccounts", "CreateRole", "PutRolePolicy", "AssumeRole", "POST secrets"},
		},
		"change": {
			before: own,
			do: func(w *crashPoints, name string) {
				w.set(name, map[string]any{policyKey: sendQueue, managedKey: managed, durationKey: "2h"})
			},
			wanted: outcome{Account: true, Held: true, Uses: "own", Role: ownState{Policy: sendQueue, Managed: []string{managed}, Session: 7200}},
			calls:  []string{"GetRole", "UpdateRole", "AttachRolePolicy", "PutRolePolicy", "AssumeRole", "PATCH secrets"},
		},
		"delete": {
			before: map[string]string{policyKey: readBucket, managedKey: managed},
			do:     func(w *crashPoints, name string) { w.remove(name) },
			wanted: outcome{}, calls: append([]string{"DetachRolePolicy", "PATCH serviceaccounts"}, withdrawn...),
		},
		"retain": {
			before: map[string]string{policyKey: readBucket, deletionKey: "Retain"},
			do:     func(w *crashPoints, name string) { w.remove(name) },
			wanted: outcome{Role: ownState{Policy: readBucket, Session: 3600, Retained: true}}, calls: []string{"TagRole"},
		},
		"take the annotation off": {
			before: own,
			do:     func(w *crashPoints, name string) { w.set(name, map[string]any{policyKey: nil}) },
			wanted: outcome{Account: true}, calls: append([]string{"DELETE secrets", "PATCH serviceaccounts"}, withdrawn...),
		},
		"use another role": {
			before: own,
			do:     func(w *crashPoints, name string) { w.set(name, map[string]any{policyKey: nil, roleKey: "existing"}) },
			wanted: outcome{Account: true, Uses: "existing"}, calls: append([]string{"AssumeRole", "PATCH secrets"}, withdrawn...),
		},
		"have a role of its own after another": {
			before: map[string]string{roleKey: "existing"},
			do: func(w *crashPoints, name string) {
				w.set(name, map[string]any{policyKey: readBucket, roleKey: nil})
			},
			wanted: served, calls: []string{"CreateRole", "PutRolePolicy", "AssumeRole", "PATCH secrets"},
		},
		"create it again": {
			before: own,
			do:     func(w *crashPoints, name string) { w.remove(name); w.recreate(name, own) },
			wanted: served, calls: append([]string{"CreateRole", "PutRolePolicy", "AssumeRole"}, withdrawn...),
		},
		"change it after its role was deleted by somebody": {
			before: own,
			do: func(w *crashPoints, name string) {
				w.aws.RemoveRole(kit.AccountID, w.roleOf(name))
				w.set(name, map[string]any{durationKey: "2h"})
			},
			wanted: outcome{Account: true, Held: true, Uses: "own", Role: ownState{Policy: readBucket, Session: 7200}},
			calls:  []string{"GetRole", "CreateRole", "PutRolePolicy", "AssumeRole", "PATCH secrets"},
		},
	}
}

// crashPoints is a world whose controller can be killed after any call.
type crashPoints struct {
	*world

	tap   *kit.Tap
	iam   *iam.Client
	roles map[string]string // of ServiceAccounts, by name, once they were seen
}

// typical are the operations that a short run is content with.
var typical = map[string]bool{"create": true, "change": true, "delete": true}

func TestACrashAfterAnyCallIsHealed(t *testing.T) {
	for name := range operations("") {
		t.Run(name, func(t *testing.T) {
			if !typical[name] {
				kit.FullOnly(t, "a further operation")
			}
			w := newCrashPoints(t)
			managed, err := w.aws.AddManagedPolicy(kit.AccountID, "/", "managed", readBucket)
			require.NoError(t, err)
			w.killAfterEachCall(operations(managed)[name])
		})
	}
}

func newCrashPoints(t *testing.T) *crashPoints {
	t.Helper()
	t.Parallel()
	return newCrashPointsAlone(t)
}

// newCrashPointsAlone is newCrashPoints for a test that needs the machine for itself.
func newCrashPointsAlone(t *testing.T) *crashPoints {
	t.Helper()
	w := &crashPoints{world: newWorldAlone(t), roles: map[string]string{}}
	w.within = 3 * time.Minute // several of these run at once
	w.iam = w.admin()
	w.iamRole("", "existing")
	config, err := clientcmd.BuildConfigFromFlags("", w.kubeconfig)
	require.NoError(t, err)
	w.tap, err = kit.StartTap(t.Context(), config, w.aws.URL())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.tap.Close()) })
	return w
}

// flags let a new process be sure of what it does not see after seconds, and keep it from looks that nobody asked for.
var flags = []string{"--role-ready-timeout=2s", "--drift-interval=0", "--orphan-sweep-interval=0"}

// killAfterEachCall does an operation again and again, each time to another ServiceAccount: once to the end, and then
// with a controller that is killed after each of the calls that this took.
func (w *crashPoints) killAfterEachCall(op operation) {
	w.t.Helper()
	foreign := w.foreign()
	calls := []kit.Call{{}}
	killed := map[string]bool{}
	healing := w.provisioning(flags...)
	for n := 0; n < len(calls); n++ {
		name := fmt.Sprintf("app-%d", n)
		if op.before != nil {
			w.accountWith(name, op.before)
			w.settled(name, op.served())
		}
		healing.Kill()
		if w.interrupted(name, op, calls[n]) {
			killed[calls[n].Name] = true
		} else if n == 0 {
			calls = append(calls, w.tap.Calls()...)
		}
		healing = w.provisioning(flags...)
		w.settled(name, op.wanted)
		require.Equal(w.t, foreign, w.foreign(), "after %v: roles that are not its own", calls[n])
	}
	for _, call := range op.calls {
		assert.Contains(w.t, killed, call, "the controller was never killed after it")
	}
	w.t.Logf("killed after each of %v", calls[1:])
}

// served is the outcome before the operation.
func (op operation) served() outcome {
	if op.before[roleKey] != "" {
		return outcome{Account: true, Uses: op.before[roleKey]}
	}
	role := ownState{Policy: op.before[policyKey], Session: 3600}
	if managed := op.before[managedKey]; managed != "" {
		role.Managed = []string{managed}
	}
	return outcome{Account: true, Held: true, Uses: "own", Role: role}
}

// interrupted runs a controller that is killed after a call, or to the end where that does not come, and says which.
func (w *crashPoints) interrupted(name string, op operation, call kit.Call) bool {
	w.t.Helper()
	env := w.env
	w.env = append(slices.Clone(env), "AWS_ENDPOINT_URL_STS="+w.tap.AWS(), "AWS_ENDPOINT_URL_IAM="+w.tap.AWS())
	c := w.provisioning(append([]string{"--apiserver=" + w.tap.Kubernetes()}, flags...)...)
	w.env = env
	defer c.Kill()
	w.tap.CutAfter(&call, c.Kill)
	op.do(w, name)
	deadline := time.After(within)
	for quiet := 0; quiet < 10; {
		before := len(w.tap.Calls())
		select {
		case <-c.Done():
			return true
		case <-deadline:
			w.t.Fatalf("%s: neither killed after %v nor done after %v", name, call, w.tap.Calls())
		case <-time.After(100 * time.Millisecond):
		}
		quiet++
		if after := len(w.tap.Calls()); after == 0 || after != before || w.differs(w.t.Context(), name, op.wanted) != nil {
			quiet = 0
		}
	}
	return false
}

// settled waits for an outcome.
func (w *crashPoints) settled(name string, want outcome) {
	w.t.Helper()
	w.eventually(func(ctx context.Context) error {
		err := w.differs(ctx, name, want)
		if err != nil {
			time.Sleep(30 * time.Millisecond) // a look is many calls, and the controller is to have the machine
		}
		return err
	})
}

// differs says how the state of one ServiceAccount is not as wanted.
func (w *crashPoints) differs(ctx context.Context, name string, want outcome) error {
	if want.Role.Policy != "" {
		want.Role.Trust, want.Role.Boundary = canonical(w.t, w.aws.ManagedTrustPolicy(w.namespace+"/test", w.namespace+"."+name)), w.aws.Boundary
	}
	got, err := w.outcome(ctx, name)
	if err == nil && !assert.ObjectsAreEqual(want, got) {
		err = fmt.Errorf("%s is\n%+v, not\n%+v", name, got, want)
	}
	return err
}

func (w *crashPoints) outcome(ctx context.Context, name string) (got outcome, err error) {
	account, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Get(ctx, name, metav1.GetOptions{})
	if ignoreNotFound(err) != nil {
		return got, err
	}
	got.Account = err == nil
	got.Held = slices.Contains(account.Finalizers, "iam.amazonaws.com/role")
	if got.Role, err = w.ownState(ctx, name); err != nil {
		return got, err
	}
	secret, err := w.Client().CoreV1().Secrets(w.namespace).Get(ctx, name+".aws-iam", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if account.Annotations["iam.amazonaws.com/role-arn"] != "" {
			return got, errors.New("the ServiceAccount names a role that it no longer uses")
		}
		return got, nil
	}
	if err != nil {
		return got, err
	}
	got.Uses, err = w.user(ctx, account, secret)
	return got, err
}

// user returns the name of the role whose credentials work, "own" for the ServiceAccount's own.
func (w *crashPoints) user(ctx context.Context, account *corev1.ServiceAccount, secret *corev1.Secret) (string, error) {
	if account.Annotations["iam.amazonaws.com/role-arn"] != string(secret.Data["role-arn"]) {
		return "", errors.New("the ServiceAccount names another role than its Secret")
	}
	d := read(w.t, secret)
	who, err := w.aws.Caller(ctx, d.AccessKeyID, d.SecretAccessKey, d.SessionToken)
	if err != nil {
		return "", err
	}
	if session := "/" + w.namespace + "." + account.Name; !strings.HasSuffix(*who.Arn, session) {
		return "", fmt.Errorf("the credentials are those of %s", *who.Arn)
	}
	role := strings.Split(*who.Arn, "/")[1]
	if role == w.roles[account.Name] {
		out, err := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		if err != nil || *out.Role.RoleId != secret.Annotations["iam.amazonaws.com/role-id"] || !strings.HasPrefix(*who.UserId, *out.Role.RoleId+":") {
			return "", errors.Join(errors.New("the Secret does not have the id, or the credentials, of the role as it is"), err)
		}
		return "own", nil
	}
	return role, nil
}

// ownState looks for the one role whose tags name the ServiceAccount.
func (w *crashPoints) ownState(ctx context.Context, name string) (found ownState, err error) {
	pages := iam.NewListRolesPaginator(w.iam, &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/test/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return found, err
		}
		for i := range page.Roles {
			role := page.Roles[i].RoleName
			if !strings.HasPrefix(*role, w.namespace+"."+name+"-") {
				continue
			}
			if found.Session > 0 {
				return found, fmt.Errorf("%s has two roles", name)
			}
			if found, err = w.state(ctx, *role); err != nil {
				return found, err
			}
			w.roles[name] = *role
		}
	}
	return found, nil
}

func (w *crashPoints) state(ctx context.Context, role string) (s ownState, err error) {
	out, err := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	if err != nil {
		return s, err
	}
	s = ownState{Session: *out.Role.MaxSessionDuration, Retained: tagOf(out.Role, "retained") == "true"}
	trust, err := url.PathUnescape(*out.Role.AssumeRolePolicyDocument)
	if err != nil {
		return s, err
	}
	s.Trust = canonical(w.t, trust)
	if out.Role.PermissionsBoundary != nil {
		s.Boundary = *out.Role.PermissionsBoundary.PermissionsBoundaryArn
	}
	attached, err := w.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	if err != nil {
		return s, err
	}
	for _, policy := range attached.AttachedPolicies {
		s.Managed = append(s.Managed, *policy.PolicyArn)
	}
	inline, err := w.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: &role})
	if err != nil {
		return s, err
	}
	for _, name := range inline.PolicyNames {
		policy, err := w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		if err != nil {
			return s, err
		}
		text, err := url.PathUnescape(*policy.PolicyDocument)
		if err != nil {
			return s, err
		}
		s.Policy += text
	}
	return s, nil
}

// canonical is JSON with sorted keys and without white space.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal([]byte(text), &value))
	sorted, err := json.Marshal(value)
	require.NoError(t, err)
	return string(sorted)
}

// foreign is all that there is of roles that the controller did not make.
func (w *crashPoints) foreign() map[string]ownState {
	w.t.Helper()
	all := map[string]ownState{}
	out, err := w.iam.ListRoles(w.t.Context(), &iam.ListRolesInput{MaxItems: new(int32(1000))})
	require.NoError(w.t, err)
	for i := range out.Roles {
		if !strings.HasPrefix(*out.Roles[i].Path, "/kube-aws-iam-controller/test/") {
			state, err := w.state(w.t.Context(), *out.Roles[i].RoleName)
			require.NoError(w.t, err)
			all[*out.Roles[i].Arn] = state
		}
	}
	require.NotEmpty(w.t, all)
	return all
}

// roleOf returns the name of a ServiceAccount's own role.
func (w *crashPoints) roleOf(name string) string {
	w.t.Helper()
	require.NotEmpty(w.t, w.roles[name])
	return w.roles[name]
}

// set sets annotations, and takes off those that are nil.
func (w *crashPoints) set(name string, annotations map[string]any) {
	w.t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	require.NoError(w.t, err)
	_, err = w.Client().CoreV1().ServiceAccounts(w.namespace).Patch(w.t.Context(), name, k8stypes.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(w.t, err)
}

func (w *crashPoints) remove(name string) {
	w.t.Helper()
	require.NoError(w.t, w.Client().CoreV1().ServiceAccounts(w.namespace).Delete(w.t.Context(), name, metav1.DeleteOptions{}))
}

// recreate creates a ServiceAccount as soon as the one before it is gone.
func (w *crashPoints) recreate(name string, annotations map[string]string) {
	w.t.Helper()
	go func() {
		for w.t.Context().Err() == nil {
			_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Create(w.t.Context(), &corev1.ServiceAccount{
				ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
			}, metav1.CreateOptions{})
			if err == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}
