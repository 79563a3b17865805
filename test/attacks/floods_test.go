package attacks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/kit"
)

const (
	byTurns = "namespaces take turns: the thousandth request of one waits behind the first of another"
	// bystanders is how many of the flood may be served before somebody else's first is. It is a matter of turns, not of
	// time: what is under way already, and what came first, goes on.
	bystanders = 400
)

// floods are one after another on one installation. Each leaves its namespace full.
var floods = []attack{
	{
		intent: "delay others with 2,000 ServiceAccounts whose role refuses", by: byTurns,
		try: func(a *attacker) { a.flood(2000, map[string]string{"role": a.roles["app"]}).overtaken("role") },
	},
	{
		intent: "delay others with 500 ServiceAccounts that ask for managed roles", by: byTurns + ", at IAM as well",
		try: func(a *attacker) {
			f := a.flood(500, map[string]string{"role-policy": readBucket})
			f.overtaken("role")
			f.overtaken("role-policy")
		},
	},
	{
		intent: "delay others with 1,000 Secrets that claim to have expired in the year 0", by: byTurns + ", whatever Secrets say",
		try: func(a *attacker) {
			a.inParallel(1000, func(i int) error {
				return a.plant(planted(fmt.Sprintf("x-%d.aws-iam", i), ourLabels, claims(a.roles["app"], "0000-01-01T00:00:00Z")), manager)
			}).overtaken("role")
		},
	},
	{
		intent: "fill the controller's memory with annotations of a quarter of a megabyte", by: "caches keep valid values, and only a little of invalid ones",
		try: func(a *attacker) {
			before, err := a.controller.Metric(a.t.Context(), "process_resident_memory_bytes")
			require.NoError(a.t, err)
			huge := strings.Repeat("x", 250_000)
			for _, key := range []string{"role", "role-policy", "managed-policies", "session-duration", "region", "delivery"} {
				a.inParallel(50, func(i int) error {
					named := account(fmt.Sprintf("%s-%d", key, i), map[string]string{key: huge})
					_, failed := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), named, metav1.CreateOptions{})
					return failed
				}).wait()
			}
			(&flood{attacker: a}).overtaken("role")
			after, err := a.controller.Metric(a.t.Context(), "process_resident_memory_bytes")
			require.NoError(a.t, err)
			assert.Less(a.t, after-before, 60e6, "bytes, of 75 MB")
		},
	},
	{
		intent: "delay a new tenant with 10,000 ServiceAccounts at once", by: byTurns,
		try: func(a *attacker) {
			f := a.flood(10_000, map[string]string{"role": a.own("app")})
			f.overtaken("role")
			f.wait()
			f.overtaken("role")
		},
	},
}

// A flood is what one tenant asks for all at once.
type flood struct {
	*attacker

	all sync.WaitGroup
}

func (f *flood) wait() { f.all.Wait() }

// flood creates that many ServiceAccounts, as fast as the API server takes them.
func (a *attacker) flood(number int, annotations map[string]string) *flood {
	a.t.Helper()
	return a.inParallel(number, func(i int) error {
		_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), account(fmt.Sprintf("flood-%d", i), annotations), metav1.CreateOptions{})
		return err
	})
}

// inParallel does something many times, and comes back once a third is done: it goes on meanwhile.
func (a *attacker) inParallel(number int, do func(i int) error) *flood {
	a.t.Helper()
	f := &flood{attacker: a}
	next, third := make(chan int), make(chan struct{})
	for range 40 {
		f.all.Go(func() {
			for i := range next {
				if err := do(i); err != nil && a.t.Context().Err() == nil && !apierrors.IsForbidden(err) {
					a.t.Error(err)
				}
			}
		})
	}
	f.all.Go(func() {
		defer close(next)
		for i := range number {
			next <- i
			if i == number/3 {
				close(third)
			}
		}
	})
	a.t.Cleanup(f.wait)
	<-third
	return f
}

// overtaken shows that a tenant who asks for something for the first time has it before most of the flood has.
func (f *flood) overtaken(annotation string) {
	f.t.Helper()
	ctx := f.t.Context()
	namespace := f.newNamespace(f.t, "")
	value := readBucket
	if annotation == "role" {
		value = f.role("", namespace+"-app", namespace)
	}
	mine := func() int { return len(f.calls("AssumeRole", "ExternalId", f.namespace+"/")) }
	before, start := mine(), time.Now()
	_, err := f.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, account("app", map[string]string{annotation: value}), metav1.CreateOptions{})
	require.NoError(f.t, err)
	f.eventually(func(ctx context.Context) error {
		_, err := f.Client().CoreV1().Secrets(namespace).Get(ctx, "app.aws-iam", metav1.GetOptions{})
		if err != nil {
			return errors.New("the other tenant still waits")
		}
		return nil
	})
	served := mine() - before
	f.t.Logf("the other tenant waited %s for %s; %d of the flood were served before", time.Since(start).Round(time.Millisecond), annotation, served)
	assert.Less(f.t, served, bystanders)
}

func TestFloods(t *testing.T) {
	kit.FullOnly(t, "floods")
	g := newInstallation(t, settings{slow: true})
	for _, each := range floods {
		t.Run(each.intent, func(t *testing.T) {
			a := g.enter(t)
			each.try(a)
			a.assertNoHarm()
		})
	}
}
