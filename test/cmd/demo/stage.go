package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	system "kube-aws-iam-controller/test/kit"
)

// The namespaces are those of the examples, and one for whom the role is not meant.
const (
	clusterName = "demo-cluster" // as in examples/trust-policy.json
	namespace   = "demo"
	stranger    = "demo-stranger"
)

// demo is what the demo works with.
type demo struct {
	*cluster.Access

	say        *narrator
	keep       bool
	own        *cluster.Cluster // nil for a cluster that was given
	aws        *system.AWS
	controller *system.Controller
	dir, log   string
	namespaces []string // made here
}

// useCluster takes the cluster of a kubeconfig, or builds one.
func (d *demo) useCluster(ctx context.Context, kubeconfig string) (err error) {
	if d.dir, err = os.MkdirTemp("", "kube-aws-iam-demo-"); err != nil {
		return err
	}
	d.log = filepath.Join(d.dir, "controller.log")
	if kubeconfig != "" {
		d.say.step("Use the cluster of %s", kubeconfig)
		if d.Access, err = cluster.FromKubeconfig(ctx, kubeconfig, d.say); err != nil {
			return err
		}
		return d.mayUse(ctx)
	}
	d.say.step("Start a Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager")
	if d.own, err = cluster.Start(ctx, cluster.Options{Progress: d.say}); err != nil {
		return err
	}
	d.Access = d.own.Access
	version, err := d.Client().Discovery().ServerVersion()
	if err == nil {
		d.say.note("Kubernetes %s is ready at %s", version.GitVersion, d.AdminConfig().Host)
	}
	return err
}

// mayUse refuses a cluster in which simulated credentials could reach anybody but the demo.
func (d *demo) mayUse(ctx context.Context) error {
	for _, name := range []string{namespace, stranger} {
		_, err := d.Client().CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return errors.Join(fmt.Errorf("the namespace %s is there already: the demo makes its own", name), err)
		}
	}
	var accounts []string
	for _, asks := range []string{"role", "role-policy", "managed-policies"} {
		found, err := d.Kubectl(ctx, "get", "serviceaccounts", "-A", "-o",
			`jsonpath={range .items[?(@.metadata.annotations.iam\.amazonaws\.com/`+asks+`)]}{.metadata.namespace}/{.metadata.name} {end}`)
		if err != nil {
			return err
		}
		accounts = append(accounts, strings.Fields(found)...)
	}
	roles, _ := d.Kubectl(ctx, "get", "awsiamroles.zalando.org", "-A", "-o", "name") // none where there is no such resource
	if len(accounts) > 0 || roles != "" {
		return fmt.Errorf("the cluster has objects that ask for roles, and the demo would give them credentials of simulated AWS: %s %s",
			strings.Join(accounts, " "), roles)
	}
	return nil
}

// makeNamespace creates a namespace that the end of the demo deletes.
func (d *demo) makeNamespace(ctx context.Context, name string) error {
	if _, err := d.Kubectl(ctx, "create", "namespace", name); err != nil {
		return err
	}
	d.namespaces = append(d.namespaces, name)
	return nil
}

// blame shows the end of the controller's log.
func (d *demo) blame() {
	log, err := os.ReadFile(d.log)
	if errors.Is(err, fs.ErrNotExist) || len(log) == 0 {
		return
	}
	d.say.note("the end of the controller's log:\n%s", log[max(0, len(log)-4000):])
}

// end stops and removes what was made here, also when ctx is done.
func (d *demo) end(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if d.own == nil {
		for _, name := range d.namespaces {
			if _, err := d.Kubectl(ctx, "delete", "namespace", name, "--wait=false"); err != nil {
				d.say.note("%v", err)
			}
		}
		if d.controller != nil {
			d.say.note("what manifests/ holds stays applied: kubectl delete -k manifests takes it off")
		}
	}
	if d.controller != nil && d.controller.Running() {
		if _, err := d.controller.Stop(ctx); err != nil {
			d.say.note("%v", err)
		}
	}
	if d.aws != nil {
		d.aws.Close()
	}
	var err error
	switch {
	case d.own != nil:
		err = d.own.Stop()
	case d.Access != nil:
		err = d.Close()
	}
	if err = errors.Join(err, os.RemoveAll(d.dir)); err != nil {
		d.say.note("%v", err)
	}
}
