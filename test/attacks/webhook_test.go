package attacks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	byPath   = "the API server is identified by a secret path; requests of others have limits of their own"
	bySilent = "callers that do not know the path always get the same answer"
	// strangerAddress is of this machine, as the API server's is, and another one.
	strangerAddress = "127.0.0.2"
)

// strange is a client from the stranger's address. It trusts nobody, and anybody.
func strange() *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(strangerAddress)}}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
}

// review asks what a pod of a ServiceAccount would be given.
func review(namespace, name string) string {
	return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","namespace":%q,"operation":"CREATE",`+
		`"resource":{"group":"","version":"v1","resource":"pods"},"object":{"spec":{"serviceAccountName":%q,"containers":[{"name":"c"}]}}}}`, namespace, name)
}

// post sends a review to a path of the webhook, and returns all of the answer.
func (a *attacker) post(ctx context.Context, client *http.Client, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+a.webhookAddress+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return resp.Status + " " + string(said), err
}

// siege does something from many goroutines for as long as what follows takes, which starts once that many are under way.
func (a *attacker) siege(number int, do func(ctx context.Context, i int), meanwhile func()) {
	a.t.Helper()
	ctx, end := context.WithCancel(a.t.Context())
	var all sync.WaitGroup
	var begun atomic.Int64
	for i := range number {
		all.Go(func() {
			begun.Add(1)
			for ; ctx.Err() == nil; i += number {
				do(ctx, i)
			}
		})
	}
	require.Eventually(a.t, func() bool { return begun.Load() == int64(number) }, within, 10*time.Millisecond)
	time.Sleep(2 * time.Second) // it takes effect
	meanwhile()
	end()
	all.Wait()
}

// admits shows that pods of others are admitted: of a ServiceAccount that is given credentials, and of one that is not.
func (a *attacker) admits(number int) {
	a.t.Helper()
	plain := a.newNamespace(a.t, "")
	a.plainAccount(plain)
	var all sync.WaitGroup
	var refused, slowest atomic.Int64
	next := make(chan int)
	for range 20 {
		all.Go(func() {
			for i := range next {
				start := time.Now()
				if err := a.createsPod(plain, i); err != nil {
					a.t.Logf("after %s: %v", time.Since(start).Round(time.Millisecond), err)
					refused.Add(1)
				}
				for took := int64(time.Since(start)); ; {
					if have := slowest.Load(); took <= have || slowest.CompareAndSwap(have, took) {
						break
					}
				}
			}
		})
	}
	for i := range number {
		next <- i
	}
	close(next)
	all.Wait()
	a.t.Logf("%d pods, the slowest took %s", number, time.Duration(slowest.Load()).Round(time.Millisecond))
	assert.Zero(a.t, refused.Load(), "pods that were not admitted")
}

// plainAccount makes one that asks for nothing.
func (a *attacker) plainAccount(namespace string) {
	a.t.Helper()
	_, err := a.Client().CoreV1().ServiceAccounts(namespace).Create(a.t.Context(), account("plain", nil), metav1.CreateOptions{})
	require.NoError(a.t, err)
}

// createsPod creates every other pod of the victim's, and the rest of one that is given nothing.
func (a *attacker) createsPod(plain string, i int) error {
	namespace, name, variables := plain, "plain", false
	if i%2 == 0 {
		namespace, name, variables = a.victim, "app", true
	}
	made, err := a.Client().CoreV1().Pods(namespace).Create(a.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", i)},
		Spec:       corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{Name: "c", Image: "registry.example/c"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil && len(made.Spec.Containers[0].Env) > 0 != variables {
		err = errors.New("the pod was not mutated as it should be")
	}
	return err
}

// memory is what the controller has, in bytes.
func (a *attacker) memory() float64 {
	a.t.Helper()
	resident, err := a.controller.Metric(a.t.Context(), "process_resident_memory_bytes")
	require.NoError(a.t, err)
	return resident
}

func (a *attacker) logged() int64 {
	a.t.Helper()
	info, err := os.Stat(a.log)
	require.NoError(a.t, err)
	return info.Size()
}

// webhookSecrets are what a stranger would like to hear.
var webhookSecrets = []attack{
	{
		actor: stranger, intent: "learn from the webhook which namespaces and ServiceAccounts exist, and which have roles", by: bySilent,
		try: func(a *attacker) {
			a.plainAccount(a.namespace)
			client := strange()
			for _, path := range []string{"/mutate-pods", "/", "/mutate-pods/0123456789abcdef0123456789abcdef01234567"} {
				a.eventually(func(ctx context.Context) error { // API servers are given half a minute to hear of the path
					answers := map[string]bool{}
					for _, body := range []string{
						review(a.victim, "app"), review(a.namespace, "plain"), review(a.victim, "none"), review("none", "none"), "{}",
					} {
						said, err := a.post(ctx, client, path, body)
						if err != nil {
							return err
						}
						answers[said] = true
					}
					if len(answers) > 1 {
						return fmt.Errorf("there are %d answers at %s", len(answers), path)
					}
					return nil
				})
			}
			a.admits(20)
		},
	},
}

// webhookAttacks are tried one after the other, each with all that the stranger has; also while a replica of a version
// before is there, and everybody is answered.
var webhookAttacks = []attack{
	{
		actor: stranger, intent: "stop pods from being created, by 2,000 reviews at once for namespaces that do not exist", by: byPath,
		try: func(a *attacker) {
			client := strange()
			before := a.logged()
			a.siege(2000, func(ctx context.Context, i int) {
				_, _ = a.post(ctx, client, "/mutate-pods", review(fmt.Sprintf("invented-%d", i), "app"))
			}, func() { a.admits(400) })
			assert.Less(a.t, a.logged()-before, int64(16<<10), "bytes of log")
		},
	},
	{
		actor: stranger, intent: "stop pods from being created, by large reviews that are sent slowly", by: byPath,
		try: func(a *attacker) {
			client := strange()
			a.siege(100, func(ctx context.Context, _ int) {
				body, sender := io.Pipe()
				go func() {
					defer sender.Close()
					for ctx.Err() == nil {
						if _, err := sender.Write(bytes.Repeat([]byte(" "), 1<<10)); err != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+a.webhookAddress+"/mutate-pods", body)
				if err != nil {
					return
				}
				req.Header.Set("Content-Type", "application/json")
				if resp, err := client.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}, func() {
				for range 3 {
					a.admitsALargeOne()
				}
			})
		},
	},
	{
		actor: stranger, intent: "fill the webhook's memory with endless connections, each with reviews whose answers are not read", by: "limits on connections per address and in total, on requests per connection, and on buffers",
		try: func(a *attacker) {
			before := a.memory()
			clients := make([]*http.Client, 300)
			for i := range clients {
				clients[i] = strange()
			}
			large := strings.Repeat(" ", 200<<10)
			highest := before
			a.siege(1000, func(ctx context.Context, i int) {
				if _, err := a.post(ctx, clients[i%len(clients)], "/mutate-pods", large); err != nil && ctx.Err() == nil {
					time.Sleep(time.Second) // there are no more connections
				}
			}, func() {
				a.admits(100)
				for range 10 {
					highest = max(highest, a.memory())
					time.Sleep(200 * time.Millisecond)
				}
			})
			a.t.Logf("%.0f MB more", (highest-before)/1e6)
			assert.Less(a.t, highest-before, 150e6, "bytes, of 512 MiB that the Deployment grants")
		},
	},
}

// admitsALargeOne shows that somebody else's pod is admitted that is too large to be read without a turn.
func (a *attacker) admitsALargeOne() {
	a.t.Helper()
	start := time.Now()
	_, err := a.Client().CoreV1().Pods(a.victim).Create(a.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "large", Annotations: map[string]string{"example.com/large": strings.Repeat("x", 200<<10)}},
		Spec:       corev1.PodSpec{ServiceAccountName: "app", Containers: []corev1.Container{{Name: "c", Image: "registry.example/c"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	a.t.Logf("a large pod took %s", time.Since(start).Round(time.Millisecond))
	assert.NoError(a.t, err)
}
