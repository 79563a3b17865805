package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// volumeName is that of the volume which admission adds.
const volumeName = "aws-iam-credentials"

const errNoPolicies = notShownError("mutating admission policies need Kubernetes 1.36; older clusters have the webhook")

// minimal is a pod that sets nothing but its ServiceAccount.
func minimal(name, account string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: corev1.PodSpec{
			ServiceAccountName: account,
			Containers:         []corev1.Container{{Name: "main", Image: "registry.example.com/app:v1"}},
		},
	}
}

// admitPod creates a pod and shows what was added to it.
func (d *demo) admitPod(ctx context.Context) (string, error) {
	if !d.policy {
		return "", errNoPolicies
	}
	pod, err := d.admitted(ctx, minimal("web", "app"), metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	d.say.note("pod/%s created with serviceAccountName: %s and one container; it was given", pod.Name, pod.Spec.ServiceAccountName)
	for _, v := range pod.Spec.Volumes {
		if v.Secret != nil {
			d.say.note("volume    %s: the Secret %s, mode %04o", v.Name, v.Secret.SecretName, *v.Secret.DefaultMode)
		}
	}
	container := &pod.Spec.Containers[0]
	for _, m := range container.VolumeMounts {
		if m.Name == volumeName {
			d.say.note("mount     %s, read-only: %t", m.MountPath, m.ReadOnly)
		}
	}
	for _, e := range container.Env {
		d.say.note("variable  %s=%s", e.Name, e.Value)
	}
	return fmt.Sprintf("a pod that set serviceAccountName has the volume, its mount and %d variables", len(container.Env)), nil
}

// admitted creates a pod once admission is in force, and returns it as it was stored.
func (d *demo) admitted(ctx context.Context, pod *corev1.Pod, options metav1.CreateOptions) (created *corev1.Pod, err error) {
	pods := d.Client().CoreV1().Pods(pod.Namespace)
	try := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	err = d.say.await(ctx, "the admission policy", func(ctx context.Context) error {
		tried, failed := pods.Create(ctx, pod, try)
		if failed == nil && !hasCredentials(tried) {
			failed = errors.New("the pod was given nothing")
		}
		return failed
	})
	if err != nil {
		return nil, err
	}
	if created, err = pods.Create(ctx, pod, options); err == nil && !hasCredentials(created) {
		err = fmt.Errorf("pod %s was given nothing", pod.Name)
	}
	return created, err
}

// hasCredentials tells whether a pod has the volume with its Secret.
func hasCredentials(pod *corev1.Pod) bool {
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.Name == volumeName && v.Secret != nil {
			return true
		}
	}
	return false
}

// refuseForeignSecret creates a pod of one ServiceAccount with the Secret of another, as an administrator.
func (d *demo) refuseForeignSecret(ctx context.Context) (string, error) {
	other := minimal("other", "default")
	other.Spec.Volumes = []corev1.Volume{{
		Name: "foreign", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "app.aws-iam"}},
	}}
	pods := d.Client().CoreV1().Pods(namespace)
	try := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	if err := d.say.await(ctx, "the guard", func(ctx context.Context) error {
		if _, err := pods.Create(ctx, other, try); !apierrors.IsForbidden(err) {
			return errors.Join(errors.New("the pod is not refused"), err)
		}
		return nil
	}); err != nil {
		return "", err
	}
	_, err := pods.Create(ctx, other, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		return "", errors.Join(errors.New("the pod was not refused"), err)
	}
	d.say.note("pod/%s runs as ServiceAccount default and mounts the Secret app.aws-iam", other.Name)
	d.say.note("refused: %v", err)
	return "the API server refused the pod, to an administrator as well", nil
}
