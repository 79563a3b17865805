package chart

import (
	"context"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// Controller says how to run the controller of an installed release as its Deployment does, with its ServiceAccount,
// arguments and settings, but for where it serves the webhook, if it does: at a port of 127.0.0.1, since no node runs it.
// Its AWS and its log are left to the caller.
func (h Helm) Controller(ctx context.Context, access *cluster.Access, webhookPort int) (kit.Options, error) {
	deployment, err := access.Client().AppsV1().Deployments(h.Namespace).Get(ctx, Name, metav1.GetOptions{})
	if err != nil {
		return kit.Options{}, err
	}
	pod := deployment.Spec.Template.Spec
	options := kit.Options{Env: []string{"POD_NAMESPACE=" + h.Namespace}}
	settings, err := access.Client().CoreV1().ConfigMaps(h.Namespace).Get(ctx, pod.Containers[0].EnvFrom[0].ConfigMapRef.Name, metav1.GetOptions{})
	if err != nil {
		return kit.Options{}, err
	}
	for name, value := range settings.Data {
		options.Env = append(options.Env, name+"="+value)
	}
	for _, argument := range pod.Containers[0].Args {
		options.Args = append(options.Args, strings.Replace(argument, "=:8443", "=127.0.0.1:"+strconv.Itoa(webhookPort), 1))
	}
	if options.Kubeconfig, err = access.ServiceAccountKubeconfig(ctx, h.Namespace, pod.ServiceAccountName); err != nil {
		return kit.Options{}, err
	}
	options.Binary, err = kit.Binary()
	return options, err
}
