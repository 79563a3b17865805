package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// applyExamples applies every example for tenants, and waits for the Secrets and the pods that come of them.
func (d *demo) applyExamples(ctx context.Context) (string, error) {
	all, err := tenantExamples()
	if err != nil {
		return "", err
	}
	for i := range all {
		if err = d.applyTenants(ctx, &all[i]); err != nil {
			return "", fmt.Errorf("examples/%s: %w", all[i].name, err)
		}
	}
	secrets, deployments := 0, 0
	for i := range all {
		for j := range all[i].objects {
			o := &all[i].objects[j]
			if err = d.awaitObject(ctx, o); err != nil {
				return "", err
			}
			if o.secret() != "" {
				secrets++
			}
			if o.Kind == deploymentKind {
				deployments++
			}
		}
	}
	return fmt.Sprintf("%d files, %d Secrets, %d Deployments", len(all), secrets, deployments), nil
}

// awaitObject waits for what comes of an object: a Secret, or pods with their credentials.
func (d *demo) awaitObject(ctx context.Context, o *object) error {
	if o.secret() != "" {
		_, err := d.showSecret(ctx, o.Metadata.Namespace, o.secret())
		return err
	}
	if o.Kind == deploymentKind && d.policy {
		return d.awaitPods(ctx, o)
	}
	return nil
}

// applyTenants applies an example, in the namespace that it names, which is the tenant's to have, or in the demo's.
func (d *demo) applyTenants(ctx context.Context, e *example) error {
	args := []string{"apply", "-f", "-"}
	in := e.objects[0].Metadata.Namespace
	if in == "" {
		in = namespace
		args = append(args, "-n", namespace)
	}
	if !slices.Contains(d.namespaces, in) {
		if err := d.makeNamespace(ctx, in); err != nil {
			return err
		}
	}
	out, err := d.KubectlInput(ctx, strings.NewReader(e.text), args...)
	d.say.note("examples/%s: %s", e.name, strings.Join(strings.Split(strings.TrimSpace(out), "\n"), ", "))
	return err
}

// awaitPods waits until the pods of a Deployment are there, each with its credentials.
func (d *demo) awaitPods(ctx context.Context, deployment *object) error {
	var pods *corev1.PodList
	name := deployment.Metadata.Name
	err := d.say.await(ctx, "the pods of "+name, func(ctx context.Context) (err error) {
		pods, err = d.Client().CoreV1().Pods(deployment.Metadata.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err == nil && len(pods.Items) == 0 {
			err = errors.New("there is none yet")
		}
		return err
	})
	if err != nil {
		return err
	}
	for i := range pods.Items {
		if pod := &pods.Items[i]; !hasCredentials(pod) || secretOf(pod) != pod.Spec.ServiceAccountName+".aws-iam" {
			return fmt.Errorf("pod %s was not given its credentials", pod.Name)
		}
	}
	d.say.note("deployment/%s: its pods have the Secret %s", name, secretOf(&pods.Items[0]))
	return nil
}
