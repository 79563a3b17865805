package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/kit"
)

// shortSession is how long sessions last while they are to run out.
const shortSession = 12 * time.Second

// useCredentials runs a program in the pods of two ServiceAccounts and of an AWSIAMRole.
func (d *demo) useCredentials(ctx context.Context) (string, error) {
	for _, account := range []string{"app", "reader"} {
		pod, err := d.podOf(ctx, account)
		if err != nil {
			return "", err
		}
		if _, err = d.runPod(ctx, pod, 0, 1); err != nil {
			return "", err
		}
	}
	pod, err := examplePod("awsiamrole-pod.yaml")
	if err != nil {
		return "", err
	}
	_, err = d.runPod(ctx, pod, 0, 1)
	return "GetCallerIdentity with the credentials of app, reader and legacy-app", err
}

// outliveSessions lets a program work while its sessions run out.
func (d *demo) outliveSessions(ctx context.Context) (string, error) {
	d.say.note("AWS issues sessions of %s from now on", shortSession)
	d.aws.SetSession(shortSession)
	defer d.aws.SetSession(0)
	before, err := d.secret(ctx, namespace, "app.aws-iam", nil)
	if err != nil {
		return "", err
	}
	if _, err = d.Kubectl(ctx, "delete", "-n", namespace, "secret/app.aws-iam"); err != nil {
		return "", err
	}
	deleted := time.Now()
	if _, err = d.secret(ctx, namespace, "app.aws-iam", before); err != nil {
		return "", err
	}
	d.say.note("somebody deleted the Secret: it was back after %d ms", time.Since(deleted).Milliseconds())
	pod, err := d.podOf(ctx, "app")
	if err != nil {
		return "", err
	}
	summary, err := d.runPod(ctx, pod, 2*shortSession, 3)
	return fmt.Sprintf("sessions of %s; %s", shortSession, summary), err
}

// podOf is the pod of a ServiceAccount as admission makes it, or as it is wired by hand where there is none.
func (d *demo) podOf(ctx context.Context, account string) (*corev1.Pod, error) {
	if d.policy {
		return d.admitted(ctx, minimal("program-of-"+account, account), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	}
	pod, err := examplePod("pod.yaml")
	if err == nil {
		pod.Spec.Volumes[0].Secret.SecretName = account + ".aws-iam"
	}
	return pod, err
}

// examplePod is a pod of examples.
func examplePod(name string) (*corev1.Pod, error) {
	text, err := readExample(name)
	if err != nil {
		return nil, err
	}
	pod := &corev1.Pod{}
	return pod, yaml.UnmarshalStrict([]byte(text), pod)
}

// runPod runs a program with the files and the environment of a pod, for that long, and expects it to see that many
// sessions. It returns the last thing that the program says.
func (d *demo) runPod(ctx context.Context, pod *corev1.Pod, work time.Duration, sessions int) (summary string, err error) {
	dir, err := os.MkdirTemp(d.dir, "volume-")
	if err != nil {
		return "", err
	}
	v := &kit.Volume{Client: d.Client(), Namespace: namespace, Name: secretOf(pod), Dir: dir}
	if err = v.Sync(ctx); err != nil {
		return "", err
	}
	// The files follow the Secret for as long as the program runs.
	following, stop := context.WithCancel(ctx)
	followed := make(chan error, 1)
	go func() { followed <- v.Follow(following) }()
	env := append(environment(pod, dir), d.aws.EndpointEnv()...)
	env = append(env, podTime+"="+work.String(), fmt.Sprintf("%s=%d", podSessions, sessions))
	summary, err = d.runProgram(ctx, env)
	stop()
	return summary, errors.Join(err, <-followed)
}

// secretOf is the name of the Secret that a pod mounts.
func secretOf(pod *corev1.Pod) string {
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.Name == volumeName && v.Secret != nil {
			return v.Secret.SecretName
		}
	}
	return ""
}

// environment is that of a pod's container, with the files in dir.
func environment(pod *corev1.Pod, dir string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent"}
	for _, e := range pod.Spec.Containers[0].Env {
		env = append(env, e.Name+"="+strings.ReplaceAll(e.Value, kit.MountPath, dir))
	}
	return env
}

// runProgram runs the program to its end and passes on what it says.
func (d *demo) runProgram(ctx context.Context, env []string) (last string, err error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "pod") //nolint:gosec // this program
	output := io.MultiWriter(d.say, &said)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, output, output
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the program in the pod: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	return lines[len(lines)-1], nil
}
