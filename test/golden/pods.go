// Package golden holds what an API server makes of pods against the pods in internal/admission/testdata, whichever way of
// admission is installed and whatever release of Kubernetes it is.
package golden

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// Image is the sidecar's in the cases.
const Image = "registry.example/kube-aws-iam-controller:v1"

// Probe is a pod that shows whether admission works already.
var Probe = admissiontest.Case{Name: "probe", Given: &corev1.Pod{
	ObjectMeta: metav1.ObjectMeta{Name: "probe"},
	Spec:       corev1.PodSpec{ServiceAccountName: "probe", Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}}},
}}

// Pods are the cases on a control plane, with a namespace for each.
type Pods struct {
	*cluster.Access

	cases []admissiontest.Case

	mu         sync.Mutex
	namespaces map[string]string // by case
	seen       map[string]seen   // by case
}

// Load reads the cases, and does nothing yet.
func Load(access *cluster.Access) (*Pods, error) {
	root, err := cluster.Root()
	if err != nil {
		return nil, err
	}
	cases, err := admissiontest.Load(filepath.Join(root, "internal", "admission", "testdata"))
	if err == nil && len(cases) < 40 {
		err = fmt.Errorf("there are %d cases only", len(cases))
	}
	return &Pods{Access: access, cases: cases, namespaces: map[string]string{}, seen: map[string]seen{}}, err
}

// Prepare makes a namespace for each case, many at a time, and has the API server say what it makes of the pods. Nothing that
// mutates pods may be installed yet.
func (p *Pods) Prepare(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	group.Go(func() error {
		return p.Furnish(ctx, Probe.Name, *kit.NewAccount("probe", map[string]string{"role": "probe"}),
			*kit.NewAccount("malformed", map[string]string{"role": "probe", "delivery": "none of them"}))
	})
	for i := range p.cases {
		group.Go(func() error { return p.prepare(ctx, &p.cases[i]) })
	}
	return group.Wait()
}

func (p *Pods) prepare(ctx context.Context, c *admissiontest.Case) error {
	if err := p.Furnish(ctx, c.Name, c.Accounts...); err != nil {
		return err
	}
	looked, err := p.look(ctx, c)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[c.Name] = looked
	return nil
}

// Furnish makes a namespace with ServiceAccounts, under the name of a case.
func (p *Pods) Furnish(ctx context.Context, name string, accounts ...corev1.ServiceAccount) error {
	namespace, err := p.CreateNamespace(ctx, "admission-")
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.namespaces[name] = namespace
	p.mu.Unlock()
	for i := range accounts {
		account := accounts[i].DeepCopy()
		_, err := p.Client().CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // default
			_, err = p.Client().CoreV1().ServiceAccounts(namespace).Update(ctx, account, metav1.UpdateOptions{})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Namespace returns the namespace of a case, "" before it is furnished.
func (p *Pods) Namespace(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.namespaces[name]
}

// Create has the API server admit a pod in the namespace of a case, and store nothing.
func (p *Pods) Create(ctx context.Context, c *admissiontest.Case, pod *corev1.Pod) (*corev1.Pod, error) {
	return p.Client().CoreV1().Pods(p.Namespace(c.Name)).Create(ctx, pod.DeepCopy(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}
