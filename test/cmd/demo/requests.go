package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"kube-aws-iam-controller/internal/awssim"
)

// propagation is how long IAM takes to let a new role be assumed: some seconds, as in AWS.
const propagation = 2 * time.Second

func (d *demo) requestRole(ctx context.Context) (string, error) {
	if err := d.makeNamespace(ctx, namespace); err != nil {
		return "", err
	}
	if err := d.applyExample(ctx, "serviceaccount.yaml"); err != nil {
		return "", err
	}
	took, err := d.showSecret(ctx, namespace, "app.aws-iam")
	return fmt.Sprintf("app.aws-iam was there %d ms after kubectl apply", took.Milliseconds()), err
}

// requestManagedRole has a role made for a ServiceAccount.
func (d *demo) requestManagedRole(ctx context.Context) (string, error) {
	d.aws.Set(awssim.Settings{Propagation: new(awssim.Duration(propagation))})
	if err := d.applyExample(ctx, "serviceaccount-with-policy.yaml"); err != nil {
		return "", err
	}
	took, err := d.showSecret(ctx, namespace, "reader.aws-iam")
	if err != nil {
		return "", err
	}
	roles, err := d.managedRoles(ctx)
	if err != nil || len(roles) != 1 {
		return "", errors.Join(fmt.Errorf("there are %d managed roles, not 1", len(roles)), err)
	}
	trust, err := url.PathUnescape(*roles[0].AssumeRolePolicyDocument)
	if err != nil {
		return "", err
	}
	d.say.note("the managed role trusts\n%s", trust)
	return fmt.Sprintf("%s, and reader.aws-iam %.1f s later (IAM takes %.0f s)", *roles[0].RoleName, took.Seconds(), propagation.Seconds()), nil
}

func (d *demo) requestAWSIAMRole(ctx context.Context) (string, error) {
	if err := d.applyExample(ctx, "awsiamrole.yaml"); err != nil {
		return "", err
	}
	if _, err := d.showSecret(ctx, namespace, "legacy-app"); err != nil {
		return "", err
	}
	if _, err := d.Kubectl(ctx, "wait", "-n", namespace, "--for=condition=Ready", "--timeout=60s", "awsiamrole/legacy-app"); err != nil {
		return "", err
	}
	out, err := d.Kubectl(ctx, "get", "-n", namespace, "awsiamrole/legacy-app")
	d.say.note("%s", out)
	return "legacy-app is Ready", err
}

// refuseStranger asks for a role from a namespace that the role does not trust.
func (d *demo) refuseStranger(ctx context.Context) (string, error) {
	if err := d.makeNamespace(ctx, stranger); err != nil {
		return "", err
	}
	if err := d.apply(ctx, account(stranger, "app", "role", "demo-app")); err != nil {
		return "", err
	}
	if err := d.awaitEvent(ctx, stranger, "app", "GetCredentialsFailed"); err != nil {
		return "", err
	}
	_, err := d.Client().CoreV1().Secrets(stranger).Get(ctx, "app.aws-iam", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return "", errors.Join(errors.New("the other namespace was given a Secret"), err)
	}
	d.say.note("and there is no Secret: the role demands the external ID %s/%s", namespace, clusterName)
	return fmt.Sprintf("AWS refused the external ID %s/%s, and there is no Secret", stranger, clusterName), nil
}

// mendMistake misspells a key, reads what is said about it, and does as it says.
func (d *demo) mendMistake(ctx context.Context) (string, error) {
	if err := d.apply(ctx, account(namespace, "mistaken", "rolle", "demo-app")); err != nil {
		return "", err
	}
	d.say.note("its annotation is %srolle", prefix)
	if err := d.awaitEvent(ctx, namespace, "mistaken", "UnknownAnnotation"); err != nil {
		return "", err
	}
	if err := d.annotate(ctx, "mistaken", "rolle-", "role=demo-app"); err != nil {
		return "", err
	}
	d.say.note("corrected to %srole", prefix)
	if _, err := d.showSecret(ctx, namespace, "mistaken.aws-iam"); err != nil {
		return "", err
	}
	return "the event UnknownAnnotation names the key; corrected, mistaken.aws-iam is there", nil
}
