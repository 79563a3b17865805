package main

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const prefix = "iam.amazonaws.com/"

// applyExample applies an example as a user does.
func (d *demo) applyExample(ctx context.Context, name string) error {
	text, err := readExample(name)
	if err != nil {
		return err
	}
	return d.apply(ctx, text)
}

// apply applies objects and says what became of them.
func (d *demo) apply(ctx context.Context, text string) error {
	out, err := d.KubectlInput(ctx, strings.NewReader(text), "apply", "-f", "-")
	d.say.note("%s", out)
	return err
}

// account is the manifest of a ServiceAccount with one annotation.
func account(in, name, key, value string) string {
	return `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"namespace":"` + in + `","name":"` + name + `","annotations":{"` + prefix + key + `":"` + value + `"}}}`
}

// annotate changes annotations of a ServiceAccount of the demo's namespace.
func (d *demo) annotate(ctx context.Context, name string, changes ...string) error {
	args := []string{"annotate", "-n", namespace, "serviceaccount/" + name, "--overwrite"}
	for _, change := range changes {
		args = append(args, prefix+change)
	}
	_, err := d.Kubectl(ctx, args...)
	return err
}

// secret waits for a Secret that is not the one before, nil for none.
func (d *demo) secret(ctx context.Context, in, name string, before *corev1.Secret) (secret *corev1.Secret, err error) {
	err = d.say.await(ctx, "secret/"+name, func(ctx context.Context) (err error) {
		secret, err = d.Client().CoreV1().Secrets(in).Get(ctx, name, metav1.GetOptions{})
		if err == nil && before != nil && secret.UID == before.UID {
			err = errors.New("it is still the one before")
		}
		return err
	})
	return secret, err
}

// showSecret waits for a Secret, tells of it what is not secret, and returns how long it took to be there.
func (d *demo) showSecret(ctx context.Context, in, name string) (time.Duration, error) {
	begin := time.Now()
	secret, err := d.secret(ctx, in, name, nil)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	d.say.note("secret/%s is there: role %s, external ID %s, until %s", name,
		secret.Annotations[prefix+"role-arn"], secret.Annotations[prefix+"external-id"], secret.Data["expire"])
	return took, nil
}

// awaitEvent waits for an event about an object and tells it.
func (d *demo) awaitEvent(ctx context.Context, in, name, reason string) error {
	selector := "reason=" + reason + ",involvedObject.name=" + name
	return d.say.await(ctx, "the event "+reason, func(ctx context.Context) error {
		events, err := d.Client().CoreV1().Events(in).List(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			return err
		}
		if len(events.Items) == 0 {
			return errors.New("no event yet")
		}
		d.say.note("event %s: %s", reason, events.Items[0].Message)
		return nil
	})
}
