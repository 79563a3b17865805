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
	"kube-aws-iam-controller/test/kit"
)

// The namespaces are those of the examples, and one for which the role is not meant.
const (
	clusterName = "demo-cluster" // as in examples/trust-policy.json
	namespace   = "demo"
	stranger    = "demo-stranger"
	externalDNS = "external-dns"
)

// demo is what the steps work with.
type demo struct {
	*cluster.Access

	say        *narrator
	keep       bool
	kubeconfig string           // of a cluster that was given
	own        *cluster.Cluster // nil for a cluster that was given
	aws        *kit.AWS
	controller *kit.Controller
	dir, log   string
	installed  string   // the directory of the kustomization, once it is applied
	policy     bool     // whether pods are mutated by the admission policy
	namespaces []string // made here
}

// useCluster takes the cluster of a kubeconfig, or builds one.
func (d *demo) useCluster(ctx context.Context) (evidence string, err error) {
	if d.dir, err = os.MkdirTemp("", "kube-aws-iam-demo-"); err != nil {
		return "", err
	}
	d.log = filepath.Join(d.dir, "controller.log")
	if d.kubeconfig != "" {
		d.Access, err = cluster.FromKubeconfig(ctx, d.kubeconfig, d.say)
		if err == nil {
			err = d.mayUse(ctx)
		}
	} else {
		err = d.say.during("starting etcd, kube-apiserver and kube-controller-manager", func() error { return d.startCluster(ctx) })
	}
	if err != nil {
		return "", err
	}
	version, err := d.Client().Discovery().ServerVersion()
	if err != nil {
		return "", err
	}
	d.say.note("Kubernetes %s is ready at %s", version.GitVersion, d.AdminConfig().Host)
	resources, err := d.Client().Discovery().ServerResourcesForGroupVersion("admissionregistration.k8s.io/v1")
	if err == nil {
		for i := range resources.APIResources {
			d.policy = d.policy || resources.APIResources[i].Name == "mutatingadmissionpolicies"
		}
	}
	return version.GitVersion, err
}

func (d *demo) startCluster(ctx context.Context) (err error) {
	if d.own, err = cluster.Start(ctx, cluster.Options{Progress: d.say}); err == nil {
		d.Access = d.own.Access
	}
	return err
}

// mayUse refuses a cluster in which simulated credentials could reach anybody but the demo, or in which there is an
// installation that the demo would change.
func (d *demo) mayUse(ctx context.Context) error {
	for _, name := range []string{namespace, stranger, externalDNS} {
		_, err := d.Client().CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return errors.Join(fmt.Errorf("the namespace %s is there already: the demo makes its own", name), err)
		}
	}
	_, err := d.Client().AppsV1().Deployments(kit.Namespace).Get(ctx, kit.Account, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return errors.Join(errors.New("the controller is installed in the cluster already: the demo would change that installation"), err)
	}
	if _, err = d.Kubectl(ctx, "get", "crd/awsiamroles.zalando.org"); err == nil {
		return errors.New("the cluster knows AWSIAMRoles already: the demo would replace and delete their definition")
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
	if len(accounts) > 0 {
		return fmt.Errorf("the cluster has ServiceAccounts that ask for roles, and the demo would give them credentials of simulated AWS: %s",
			strings.Join(accounts, " "))
	}
	return nil
}

// makeNamespace creates a namespace that the end of the demo deletes, and waits until pods can run in it.
func (d *demo) makeNamespace(ctx context.Context, name string) error {
	if _, err := d.Kubectl(ctx, "create", "namespace", name); err != nil {
		return err
	}
	d.namespaces = append(d.namespaces, name)
	return d.say.await(ctx, "the ServiceAccount default of "+name, func(ctx context.Context) error {
		_, err := d.Client().CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	given := d.own == nil && d.Access != nil
	if given && d.controller != nil && len(d.namespaces) > 0 {
		errs = append(errs, d.deleteNamespaces(ctx)) // while there is a controller to release the ServiceAccounts in them
	}
	if d.controller != nil && d.controller.Running() {
		_, err := d.controller.Stop(ctx)
		errs = append(errs, err)
	}
	if given {
		errs = append(errs, d.uninstall(ctx))
	}
	if d.aws != nil {
		d.aws.Close()
	}
	switch {
	case d.own != nil:
		errs = append(errs, d.own.Stop())
	case d.Access != nil:
		errs = append(errs, d.Close())
	}
	if err := errors.Join(append(errs, os.RemoveAll(d.dir))...); err != nil {
		d.say.note("%v", err)
	}
}
