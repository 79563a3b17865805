package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// cleanUp takes requests back in each way that there is, and sees what was made for them go.
func (d *demo) cleanUp(ctx context.Context) (string, error) {
	if d.keep {
		return "", notShownError("KEEP=1 keeps everything")
	}
	if err := d.annotate(ctx, "app", "role-"); err != nil {
		return "", err
	}
	if err := d.awaitNoSecret(ctx, "app.aws-iam"); err != nil {
		return "", err
	}
	d.say.note("the annotation of app is gone, and so is its Secret")
	if _, err := d.Kubectl(ctx, "delete", "-n", namespace, "awsiamrole/legacy-app"); err != nil {
		return "", err
	}
	if err := d.awaitNoSecret(ctx, "legacy-app"); err != nil {
		return "", err
	}
	d.say.note("the AWSIAMRole is gone, and so is its Secret")
	if _, err := d.Kubectl(ctx, "delete", "-n", namespace, "serviceaccount/reader", "--timeout=60s"); err != nil {
		return "", err
	}
	if err := d.awaitNoRole(ctx, namespace+".reader-"); err != nil {
		return "", err
	}
	d.say.note("the ServiceAccount reader is gone, and its managed role went first")
	if err := d.deleteNamespaces(ctx); err != nil {
		return "", err
	}
	return d.rolesLeft(ctx)
}

func (d *demo) awaitNoSecret(ctx context.Context, name string) error {
	return d.say.await(ctx, "the end of secret/"+name, func(ctx context.Context) error {
		_, err := d.Client().CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is still there"), err)
	})
}

// awaitNoRole waits until IAM shows no managed role whose name begins like that: it shows changes some seconds late.
func (d *demo) awaitNoRole(ctx context.Context, begins string) error {
	return d.say.await(ctx, "the end of the managed role "+begins+"…", func(ctx context.Context) error {
		roles, err := d.managedRoles(ctx)
		for i := range roles {
			if strings.HasPrefix(*roles[i].RoleName, begins) {
				err = fmt.Errorf("the role %s is still there", *roles[i].RoleName)
			}
		}
		return err
	})
}

// deleteNamespaces deletes what the demo made in the cluster, and waits for the end of it.
func (d *demo) deleteNamespaces(ctx context.Context) error {
	args := append([]string{"delete", "namespace", "--ignore-not-found", "--timeout=55s"}, d.namespaces...)
	err := d.say.during("deleting the namespaces "+strings.Join(d.namespaces, ", "), func() error {
		_, err := d.Kubectl(ctx, args...)
		return err
	})
	if err == nil {
		d.say.note("the namespaces %s are gone", strings.Join(d.namespaces, ", "))
		d.namespaces = nil
	}
	return err
}

// rolesLeft expects IAM to have no managed role but the one whose ServiceAccount asks to retain it.
func (d *demo) rolesLeft(ctx context.Context) (string, error) {
	var left []string
	err := d.say.await(ctx, "the end of the managed roles", func(ctx context.Context) error {
		roles, err := d.managedRoles(ctx)
		left = nil
		for i := range roles {
			left = append(left, *roles[i].RoleName)
		}
		if err == nil && (len(left) != 1 || !strings.HasPrefix(left[0], namespace+".reporting-")) {
			err = fmt.Errorf("IAM has the managed roles %v, not just that of reporting, which is to be retained", left)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	d.say.note("IAM has one managed role left, %s: its ServiceAccount had the annotation deletion-policy: Retain", left[0])
	return "Secrets, managed roles and namespaces are gone; one role is retained as asked", nil
}
