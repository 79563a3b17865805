package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	system "kube-aws-iam-controller/test/kit"
)

// patience is what each step may take at most. Most are done in a moment.
const patience = time.Minute

// shortSession is how long sessions last while they run out before one's eyes.
const shortSession = 12 * time.Second

// driftInterval is how often roles are looked at: far more often than anybody needs but who watches.
const driftInterval = 10 * time.Second

// run tells the story from its beginning to its end.
func (d *demo) run(ctx context.Context, kubeconfig string) error {
	if err := d.useCluster(ctx, kubeconfig); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		d.startAWS, d.startController, d.serveAccount, d.serveRole, d.useCredentials, d.outliveSessions, d.refuseStranger, d.ownRole, d.changeOwnRole, d.repairOwnRole, d.deleteOwnRole, d.cleanUp,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.say.step("Done: everything came out as it should")
	return d.stay(ctx)
}

// startAWS starts simulated AWS with the roles that the examples name.
func (d *demo) startAWS(ctx context.Context) (err error) {
	d.say.step("Start simulated AWS, with an IAM role for the controller and two for applications")
	if d.aws, err = system.StartAWS(ctx, "/"); err != nil {
		return err
	}
	if err = d.aws.ServeCluster(ctx, clusterName); err != nil {
		return err
	}
	trust, err := d.example("trust-policy.json")
	if err != nil {
		return err
	}
	for _, role := range []string{"demo-app", "demo-legacy-app"} {
		arn, err := d.aws.AddRole(awssim.RoleSpec{Account: system.AccountID, Name: role, Trust: trust})
		if err != nil {
			return err
		}
		d.say.note("%s, with the trust policy of examples/trust-policy.json", arn)
	}
	d.say.note("IAM and STS answer at %s", d.aws.URL())
	return nil
}

// example returns the text of a file that users copy.
func (d *demo) example(name string) (string, error) {
	root, err := cluster.Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "examples", name)) //nolint:gosec // a name of our own
	return string(text), err
}

func (d *demo) startController(ctx context.Context) error {
	d.say.step("Build, install and start the controller")
	binary, err := system.BuildController(ctx)
	if err != nil {
		return err
	}
	d.say.note("built %s", binary)
	kubeconfig, err := system.Install(ctx, d.Access)
	if err != nil {
		return err
	}
	d.say.note("applied manifests/: the resource definition, a ServiceAccount and its rights")
	d.controller, err = system.StartController(ctx, system.Options{
		Binary: binary, Kubeconfig: kubeconfig, Env: d.aws.ControllerEnv(), Log: d.log, Args: []string{"--cluster-name=" + clusterName, "--permissions-boundary=" + d.aws.Boundary, "--drift-interval=" + driftInterval.String()},
	})
	if err != nil {
		return err
	}
	if err := d.controller.WaitReady(ctx, patience); err != nil {
		return err
	}
	d.say.note("it runs as ServiceAccount %s/%s and is ready", system.Namespace, system.Account)
	return nil
}

func (d *demo) serveAccount(ctx context.Context) error {
	d.say.step("Apply examples/serviceaccount.yaml: an annotation asks for the role demo-app")
	if err := d.makeNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := d.apply(ctx, "serviceaccount.yaml"); err != nil {
		return err
	}
	return d.showSecret(ctx, "app.aws-iam")
}

func (d *demo) serveRole(ctx context.Context) error {
	d.say.step("Apply examples/awsiamrole.yaml: the other way to ask, for pods that mount the Secret themselves")
	if err := d.apply(ctx, "awsiamrole.yaml"); err != nil {
		return err
	}
	if err := d.showSecret(ctx, "legacy-app"); err != nil {
		return err
	}
	if _, err := d.Kubectl(ctx, "wait", "-n", namespace, "--for=condition=Ready", "--timeout=60s", "awsiamrole/legacy-app"); err != nil {
		return err
	}
	out, err := d.Kubectl(ctx, "get", "-n", namespace, "awsiamrole/legacy-app")
	d.say.note("%s", out)
	return err
}

// apply applies an example. The API server may not have furnished the namespace yet.
func (d *demo) apply(ctx context.Context, name string) error {
	text, err := d.example(name)
	if err != nil {
		return err
	}
	out, err := d.KubectlInput(ctx, strings.NewReader(text), "apply", "-f", "-")
	d.say.note("%s", out)
	return err
}

// secret waits for a Secret that is not the one before, nil for none.
func (d *demo) secret(ctx context.Context, name string, before *corev1.Secret) (secret *corev1.Secret, err error) {
	err = system.Eventually(ctx, patience, func(ctx context.Context) (err error) {
		secret, err = d.Client().CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil && before != nil && secret.UID == before.UID {
			err = errors.New("it is still the one before")
		}
		return err
	})
	return secret, err
}

// showSecret tells of a Secret what is not secret.
func (d *demo) showSecret(ctx context.Context, name string) error {
	secret, err := d.secret(ctx, name, nil)
	if err != nil {
		return err
	}
	d.say.note("secret/%s is there: role %s, external ID %s, until %s", name, secret.Annotations["iam.amazonaws.com/role-arn"],
		secret.Annotations["iam.amazonaws.com/external-id"], secret.Data["expire"])
	return nil
}

func (d *demo) useCredentials(ctx context.Context) error {
	d.say.step("Use both Secrets as a program in a pod does: the AWS SDK, the file credentials.process, GetCallerIdentity")
	for _, name := range []string{"app.aws-iam", "legacy-app"} {
		if err := d.runPod(ctx, name, 0, 1); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) outliveSessions(ctx context.Context) error {
	d.say.step("Let sessions run out: AWS issues sessions of %s from now on", shortSession)
	d.aws.SetSession(shortSession)
	before, err := d.secret(ctx, "app.aws-iam", nil)
	if err != nil {
		return err
	}
	if _, err = d.Kubectl(ctx, "delete", "-n", namespace, "secret/app.aws-iam"); err != nil {
		return err
	}
	deleted := time.Now()
	if _, err = d.secret(ctx, "app.aws-iam", before); err != nil {
		return err
	}
	d.say.note("deleted the Secret by hand: it was back after %d ms", time.Since(deleted).Milliseconds())
	return d.runPod(ctx, "app.aws-iam", 3*shortSession, 3)
}

// runPod runs a program with the credentials of a Secret, for that long, and expects it to see that many sessions.
func (d *demo) runPod(ctx context.Context, secret string, work time.Duration, sessions int) error {
	dir, err := os.MkdirTemp(d.dir, "volume-")
	if err != nil {
		return err
	}
	v := &system.Volume{Client: d.Client(), Namespace: namespace, Name: secret, Dir: dir}
	if err = v.Sync(ctx); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	// The files follow the Secret for as long as the program runs.
	following, stop := context.WithCancel(ctx)
	followed := make(chan error, 1)
	go func() { followed <- v.Follow(following) }()
	env := append(podEnvironment(dir), d.aws.EndpointEnv()...)
	env = append(env, podTime+"="+work.String(), fmt.Sprintf("%s=%d", podSessions, sessions))
	err = runProgram(ctx, d.say, env, program, "pod")
	stop()
	return errors.Join(err, <-followed)
}

func (d *demo) refuseStranger(ctx context.Context) error {
	d.say.step("Ask for the same role from another namespace, %s", stranger)
	if err := d.makeNamespace(ctx, stranger); err != nil {
		return err
	}
	text, err := d.example("serviceaccount.yaml")
	if err != nil {
		return err
	}
	text = strings.ReplaceAll(text, "namespace: "+namespace, "namespace: "+stranger)
	if _, err = d.KubectlInput(ctx, strings.NewReader(text), "apply", "-f", "-"); err != nil {
		return err
	}
	if err = d.untilSaid(ctx, stranger, "GetCredentialsFailed"); err != nil {
		return err
	}
	_, err = d.Client().CoreV1().Secrets(stranger).Get(ctx, "app.aws-iam", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return errors.Join(errors.New("the stranger was given a Secret"), err)
	}
	d.say.note("and there is no Secret: the role's trust asks for the external ID %s/%s", namespace, clusterName)
	return nil
}

// untilSaid waits for an event of a reason and tells it.
func (d *demo) untilSaid(ctx context.Context, in, reason string) error {
	return system.Eventually(ctx, patience, func(ctx context.Context) error {
		events, err := d.Client().CoreV1().Events(in).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
		if err != nil {
			return err
		}
		if len(events.Items) == 0 {
			return errors.New("no event yet")
		}
		d.say.note("%s: %s", reason, events.Items[0].Message)
		return nil
	})
}

func (d *demo) cleanUp(ctx context.Context) error {
	if d.keep {
		return nil
	}
	d.say.step("Take the annotation off, and delete the AWSIAMRole: the Secrets go")
	if _, err := d.Kubectl(ctx, "annotate", "-n", namespace, "serviceaccount/app", "iam.amazonaws.com/role-"); err != nil {
		return err
	}
	if _, err := d.Kubectl(ctx, "delete", "-n", namespace, "awsiamrole/legacy-app"); err != nil {
		return err
	}
	err := system.Eventually(ctx, patience, func(ctx context.Context) error {
		list, err := d.Client().CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
		if err == nil && len(list.Items) > 0 {
			err = fmt.Errorf("%d Secrets are left", len(list.Items))
		}
		return err
	})
	if err == nil {
		d.say.note("both are gone")
	}
	return err
}

// stay keeps everything running until it is interrupted.
func (d *demo) stay(ctx context.Context) error {
	if !d.keep {
		return nil
	}
	d.say.note(`everything stays up until Ctrl-C. Look around:
export KUBECONFIG=%s
alias kubectl=%s
kubectl get serviceaccounts,awsiamroles,secrets -n %s
kubectl get events -A
kubectl annotate serviceaccount app -n %s --overwrite iam.amazonaws.com/role=no-such-role
curl %s/metrics
tail -f %s`, d.AdminKubeconfig(), d.KubectlPath(), namespace, namespace, d.controller.URL(), d.log)
	<-ctx.Done()
	return nil
}
