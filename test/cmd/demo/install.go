package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// driftInterval is how often managed roles are looked at: far more often than anybody needs but who watches.
const driftInterval = 10 * time.Second

// install applies what is shipped, and runs the controller with the arguments, the settings and the rights that it has
// there. It runs as a process of this machine: a control plane alone has no node.
func (d *demo) install(ctx context.Context) (string, error) {
	var binary string
	if err := d.say.during("building the controller", func() (err error) {
		binary, err = kit.BuildController(ctx)
		return err
	}); err != nil {
		return "", err
	}
	if err := d.applyInstallation(ctx); err != nil {
		return "", err
	}
	deployment, err := d.Client().AppsV1().Deployments(kit.Namespace).Get(ctx, kit.Account, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	env, err := d.deployedEnv(ctx, deployment)
	if err != nil {
		return "", err
	}
	kubeconfig, err := d.ServiceAccountKubeconfig(ctx, kit.Namespace, kit.Account)
	if err != nil {
		return "", err
	}
	d.controller, err = kit.StartController(ctx, kit.Options{
		Binary: binary, Kubeconfig: kubeconfig, Log: d.log, Env: append(env, d.aws.ControllerEnv()...),
		Args: append(deployment.Spec.Template.Spec.Containers[0].Args, "--permissions-boundary="+d.aws.Boundary, "--drift-interval="+driftInterval.String()),
	})
	if err != nil {
		return "", err
	}
	begin := time.Now()
	if err := d.say.during("waiting for the controller", func() error { return d.controller.WaitReady(ctx, patience) }); err != nil {
		return "", err
	}
	ready := time.Since(begin)
	d.say.note("it runs as ServiceAccount %s/%s and is ready", kit.Namespace, kit.Account)
	return fmt.Sprintf("as ServiceAccount %s/%s, ready after %.1f s", kit.Namespace, kit.Account, ready.Seconds()), nil
}

// applyInstallation applies examples/install for this cluster's name, without replicas: the process takes their place.
func (d *demo) applyInstallation(ctx context.Context) error {
	dir := filepath.Join(d.dir, "install")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	if root, err = filepath.Rel(dir, root); err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(d.kustomization(root)), 0o600); err != nil {
		return err
	}
	d.installed = dir
	out, err := d.Kubectl(ctx, "apply", "-k", dir)
	if err != nil {
		return err
	}
	d.say.note("applied %d objects: the controller, its rights and the guard%s", strings.Count(out, "\n"),
		map[bool]string{true: ", and the admission policy"}[d.policy])
	_, err = d.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=30s", "crd/awsiamroles.zalando.org")
	return err
}

// kustomization is the installation, without the admission policy where Kubernetes does not have such policies.
func (d *demo) kustomization(root string) string {
	what := fmt.Sprintf("resources: [%q]\n", filepath.Join(root, "examples", "install"))
	if !d.policy {
		what = fmt.Sprintf("resources: [%q]\ncomponents: [%q]\n",
			filepath.Join(root, "manifests", "base"), filepath.Join(root, "manifests", "components", "guard"))
	}
	return what + `replicas: [{name: ` + kit.Account + `, count: 0}]
configMapGenerator:
- name: kube-aws-iam-controller-settings
  namespace: ` + kit.Namespace + `
  behavior: merge
  literals: [KUBE_AWS_IAM_CLUSTER_NAME=` + clusterName + `]
`
}

// deployedEnv is the environment that the Deployment gives the controller: the settings of its ConfigMap.
func (d *demo) deployedEnv(ctx context.Context, deployment *appsv1.Deployment) ([]string, error) {
	env := []string{"POD_NAMESPACE=" + kit.Namespace}
	for _, from := range deployment.Spec.Template.Spec.Containers[0].EnvFrom {
		settings, err := d.Client().CoreV1().ConfigMaps(kit.Namespace).Get(ctx, from.ConfigMapRef.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(settings.Data)) {
			env = append(env, name+"="+settings.Data[name])
		}
	}
	return env, nil
}

// uninstall takes the installation out of a cluster that was given.
func (d *demo) uninstall(ctx context.Context) error {
	if d.installed == "" {
		return nil
	}
	_, err := d.Kubectl(ctx, "delete", "-k", d.installed, "--ignore-not-found", "--wait=false")
	_, leaseErr := d.Kubectl(ctx, "delete", "-n", kit.Namespace, "lease/"+kit.Account, "--ignore-not-found")
	return errors.Join(err, leaseErr)
}
