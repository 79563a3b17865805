package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	system "kube-aws-iam-controller/test/kit"
)

const (
	clusterName = "bench"
	// latency is how long simulated AWS takes to answer.
	latency = 50 * time.Millisecond
	// workers is the controller's default.
	workers = 30
)

// bench is what is measured, and on what.
type bench struct {
	*cluster.Cluster

	progress           io.Writer
	begin              time.Time
	aws                *system.AWS
	objects            dynamic.Interface
	binary, kubeconfig string
	dir                string
	running            *system.Controller
	podNamespace       string // of the controller's pod, "" for none
}

func start(ctx context.Context, progress io.Writer) (*bench, error) {
	b := &bench{progress: progress, begin: time.Now()}
	b.say("starting a control plane, simulated AWS and the controller")
	if err := b.prepare(ctx); err != nil {
		b.end()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	if b.binary, err = system.BuildController(ctx); err != nil {
		return err
	}
	// The API server may not be what limits: it is not what is measured.
	if b.Cluster, err = cluster.Start(ctx, cluster.Options{Progress: b.progress, APIServerFlags: []string{"--max-mutating-requests-inflight=2000"}}); err != nil {
		return err
	}
	if b.kubeconfig, err = system.Install(ctx, b.Access); err != nil {
		return err
	}
	if b.objects, err = dynamic.NewForConfig(b.AdminConfig()); err != nil {
		return err
	}
	b.aws, err = system.StartAWS(ctx, "/")
	if err != nil {
		return err
	}
	if err = b.aws.ServeCluster(ctx, clusterName); err != nil {
		return err
	}
	return b.addRole("app")
}

// addRole adds a role that trusts the controller.
func (b *bench) addRole(name string) error {
	_, err := b.aws.AddRole(awssim.RoleSpec{
		Account: system.AccountID, Name: name, MaxSessionDuration: 43200,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + b.aws.ControllerARN() + `"},"Action":"sts:AssumeRole"}]}`,
	})
	return err
}

func (b *bench) end() {
	b.stop()
	if b.aws != nil {
		b.aws.Close()
	}
	var err error
	if b.Cluster != nil {
		err = b.Stop()
	}
	if err = errors.Join(err, os.RemoveAll(b.dir)); err != nil {
		b.say("%v", err)
	}
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%6.1f s  %s\n", time.Since(b.begin).Seconds(), fmt.Sprintf(format, args...))
}

// run starts a controller.
func (b *bench) run(ctx context.Context, namespace string, args ...string) (err error) {
	env := b.aws.ControllerEnv()
	if b.podNamespace != "" {
		env = append(env, "POD_NAMESPACE="+b.podNamespace)
	}
	b.running, err = system.StartController(ctx, system.Options{
		Binary: b.binary, Kubeconfig: b.kubeconfig, Env: env, Log: filepath.Join(b.dir, "controller.log"),
		Args: append([]string{"--cluster-name=" + clusterName, "--namespace=" + namespace}, args...),
	})
	return err
}

func (b *bench) stop() {
	if b.running != nil {
		b.running.Kill()
	}
}

// namespace makes a namespace.
func (b *bench) namespace(ctx context.Context, name string) error {
	_, err := b.Client().CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	return err
}

// many does something n times, 20 at once.
func many(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(20)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// watched counts the Secrets of a namespace as they come into being.
func (b *bench) watched(ctx context.Context, namespace string, n int) (<-chan time.Time, error) {
	watching, err := b.Client().CoreV1().Secrets(namespace).Watch(ctx, metav1.ListOptions{LabelSelector: "!bench"})
	if err != nil {
		return nil, err
	}
	all := make(chan time.Time, 1)
	go func() {
		defer watching.Stop()
		seen := 0
		for event := range watching.ResultChan() {
			if event.Type != "ADDED" {
				continue
			}
			if seen++; seen == n {
				all <- time.Now()
				return
			}
		}
		close(all)
	}()
	return all, nil
}

// wait returns when all have been seen.
func wait(ctx context.Context, all <-chan time.Time) (time.Time, error) {
	select {
	case at, ok := <-all:
		if !ok {
			return at, errors.New("the watch of Secrets ended")
		}
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
}
