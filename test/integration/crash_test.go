package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
)

func TestARestartAsksNothingOfAWSForWhatIsFresh(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	c := w.start()
	const n = 30
	for i := range n {
		w.account(fmt.Sprintf("app-%d", i), "app")
		w.role(fmt.Sprintf("role-%d", i), "", "roleReference: app")
	}
	for i := range n {
		w.secret(fmt.Sprintf("app-%d.aws-iam", i), nil)
		w.secret(fmt.Sprintf("role-%d", i), nil)
	}
	w.eventuallyField(fmt.Sprintf("awsiamrole/role-%d", n-1), `.status.conditions[?(@.type=="Ready")].status`, "True")
	before := ""
	w.eventually(func(context.Context) error { // annotations and status of all are written
		was := before
		time.Sleep(time.Second)
		if before = w.resourceVersions(); before != was {
			return errors.New("something is still being written")
		}
		return nil
	})
	c.Kill()
	calls := len(w.aws.Calls())
	w.start()
	time.Sleep(3 * time.Second)
	assert.Len(t, w.aws.Calls(), calls, "neither STS nor IAM was asked")
	assert.Equal(t, before, w.resourceVersions(), "nothing was written")
}

// resourceVersions of all Secrets, ServiceAccounts and AWSIAMRoles of the test.
func (w *world) resourceVersions() string {
	w.t.Helper()
	out, err := w.Kubectl(w.t.Context(), "get", "secrets,serviceaccounts,awsiamroles", "-n", w.namespace, "-o",
		`jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)
	require.NoError(w.t, err)
	return out
}

// history is what became of the Secrets of a namespace.
type history struct {
	mu      sync.Mutex
	uids    map[string]map[types.UID]bool
	tokens  map[string]map[string]bool
	deleted int
}

// record watches until the test ends.
func (w *world) record() *history {
	w.t.Helper()
	h := &history{uids: map[string]map[types.UID]bool{}, tokens: map[string]map[string]bool{}}
	watching, err := w.Client().CoreV1().Secrets(w.namespace).Watch(w.t.Context(), metav1.ListOptions{})
	require.NoError(w.t, err)
	w.t.Cleanup(watching.Stop)
	go func() {
		for event := range watching.ResultChan() {
			if secret, ok := event.Object.(*corev1.Secret); ok {
				h.note(event.Type, secret)
			}
		}
	}()
	return h
}

func (h *history) note(kind watch.EventType, secret *corev1.Secret) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind == watch.Deleted {
		h.deleted++
		return
	}
	if h.uids[secret.Name] == nil {
		h.uids[secret.Name], h.tokens[secret.Name] = map[types.UID]bool{}, map[string]bool{}
	}
	h.uids[secret.Name][secret.UID] = true
	h.tokens[secret.Name][string(secret.Data["authorization-token"])] = true
}

func TestKillingItAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	w.aws.SetSession(12 * time.Second)
	w.aws.SetLatency(10 * time.Millisecond)
	h := w.record()
	const n = 25
	c := w.launch("--namespace=" + w.namespace)
	for i := range n {
		w.account(fmt.Sprintf("app-%d", i), "app")
		w.role(fmt.Sprintf("role-%d", i), "", "roleReference: app")
		if i%3 == 2 {
			time.Sleep(time.Duration(rand.IntN(600)) * time.Millisecond)
			c.Kill()
			c = w.launch("--namespace=" + w.namespace)
		}
	}
	for range 5 { // while all of them are renewed, again and again
		time.Sleep(time.Duration(2000+rand.IntN(1500)) * time.Millisecond)
		c.Kill()
		c = w.launch("--namespace=" + w.namespace)
	}
	require.NoError(t, c.WaitReady(t.Context(), within))
	w.eventually(func(ctx context.Context) error {
		list, err := w.Client().CoreV1().Secrets(w.namespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) != 2*n {
			return fmt.Errorf("there are %d Secrets, not %d: %w", len(list.Items), 2*n, err)
		}
		for i := range list.Items {
			if d := read(t, &list.Items[i]); time.Now().After(d.expires(t)) {
				return fmt.Errorf("%s holds what ran out at %s", list.Items[i].Name, d.Expiration)
			}
		}
		return nil
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	assert.Zero(t, h.deleted, "no Secret was deleted on the way")
	for name, uids := range h.uids {
		assert.Len(t, uids, 1, name)
		assert.Len(t, h.tokens[name], 1, "%s: the token is stable", name)
	}
}

func TestOneOfTwoReplicasLeads(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	elect := []string{"--leader-elect", "--leader-elect-namespace=kube-system"}
	first := w.start(elect...)
	w.eventually(func(ctx context.Context) error { return first.Leads(ctx, 1) })
	w.account("app", "app")
	secret := w.secret("app.aws-iam", nil)
	second := w.start(elect...)
	require.NoError(t, second.Leads(t.Context(), 0))
	calls := len(w.aws.Calls())
	holder := w.leaseHolder()

	ctx, cancel := context.WithTimeout(t.Context(), ending)
	defer cancel()
	code, err := first.Stop(ctx)
	require.NoError(t, err)
	assert.Zero(t, code)
	assert.NotEqual(t, holder, w.leaseHolder(), "it was released: nobody has to wait until it runs out")
	begin := time.Now()
	w.eventually(func(ctx context.Context) error { return second.Leads(ctx, 1) })
	t.Logf("took over %s after a leader that ended", time.Since(begin))

	third := w.start(elect...)
	begin = time.Now()
	second.Kill()
	w.eventually(func(ctx context.Context) error { return third.Leads(ctx, 1) })
	t.Logf("took over %s after a leader that was killed", time.Since(begin))
	time.Sleep(time.Second)
	assert.Len(t, w.aws.Calls(), calls, "AWS was not asked for what is fresh")

	require.NoError(t, w.Client().CoreV1().Secrets(w.namespace).Delete(t.Context(), "app.aws-iam", metav1.DeleteOptions{}))
	w.secret("app.aws-iam", secret)
}

// leaseHolder returns who holds the controllers' Lease, "" for nobody.
func (w *world) leaseHolder() string {
	w.t.Helper()
	lease, err := w.Client().CoordinationV1().Leases("kube-system").Get(w.t.Context(), "kube-aws-iam-controller", metav1.GetOptions{})
	require.NoError(w.t, err)
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func TestAStandbyThatTakesOverTakesNoNewRoleForGone(t *testing.T) {
	// The Lease of a leader that is killed runs out after 13 to 15 s, and is taken within 20 s. A role that was made
	// just before is seen later than that, but sooner than the standby may take it for gone.
	const ready, seen = 22 * time.Second, 30 * time.Second
	kit.FullOnly(t, "a Lease that runs out, and a role that is seen later")
	w := newWorld(t)
	client := w.admin()
	args := append(w.lease(w.namespace), "--role-ready-timeout="+ready.String())
	first := w.provisioning(args...)
	w.eventually(func(ctx context.Context) error { return first.Leads(ctx, 1) })
	second := w.provisioning(args...)
	time.Sleep(ready + time.Second) // what a process made before it began could be seen by now
	w.aws.Set(awssim.Settings{Propagation: new(awssim.Duration(seen))})
	w.accountWith("app", map[string]string{policyKey: readBucket})
	w.event("ServiceAccount", "app", "RoleCreated")
	first.Kill()
	require.NoError(t, w.Client().CoreV1().ServiceAccounts(w.namespace).Delete(t.Context(), "app", metav1.DeleteOptions{}))
	w.within = 2 * time.Minute
	w.eventually(func(ctx context.Context) error { return second.Leads(ctx, 1) })
	w.eventually(func(ctx context.Context) error {
		_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Get(ctx, "app", metav1.GetOptions{})
		if err == nil {
			return errors.New("the ServiceAccount is still held back")
		}
		return ignoreNotFound(err)
	})
	w.aws.Set(awssim.Settings{Propagation: new(awssim.Duration(0))})
	out, err := client.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: new("/kube-aws-iam-controller/")})
	require.NoError(t, err)
	assert.Empty(t, out.Roles, "the finalizer goes after the role")
}
