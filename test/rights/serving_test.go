package rights

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kube-aws-iam-controller/test/kit"
)

const prefix = "iam.amazonaws.com/"

func (w *world) serves(ctx context.Context) error {
	for _, role := range []string{"app", "other"} {
		if _, err := w.aws.Role(kit.AccountID, "", role, w.served+"/test"); err != nil {
			return err
		}
	}
	return w.start(ctx, "--permissions-boundary="+w.aws.Boundary, "--iam-qps=1000")
}

func (w *world) isReady(ctx context.Context) error { return w.running.WaitReady(ctx, within) }

func (w *world) getsItsSecret(ctx context.Context) error {
	if err := w.account(ctx, w.served, "app", "role", "app"); err != nil {
		return err
	}
	return w.holds(ctx, "app.aws-iam", "app")
}

func (w *world) showsItsRole(ctx context.Context) error {
	return w.untilAccount(ctx, "app", func(a *corev1.ServiceAccount) bool { return a.Annotations[prefix+"role-arn"] != "" })
}

func (w *world) isTold(ctx context.Context) error {
	return w.told(ctx, "ServiceAccount", "app", "CreateCredentials", 1)
}

func (w *world) getsAnotherRole(ctx context.Context) error {
	if err := w.annotate(ctx, "app", "role", "other"); err != nil {
		return err
	}
	return w.holds(ctx, "app.aws-iam", "other")
}

func (w *world) isRestored(ctx context.Context) error {
	_, err := w.Client().CoreV1().Secrets(w.served).Patch(ctx, "app.aws-iam", types.MergePatchType,
		[]byte(`{"data":{"role-arn":"c29tZWJvZHk="}}`), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		return err
	}
	return w.holds(ctx, "app.aws-iam", "other", "app")
}

func (w *world) isMadeAgain(ctx context.Context) error {
	if err := w.Client().CoreV1().Secrets(w.served).Delete(ctx, "app.aws-iam", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return w.holds(ctx, "app.aws-iam", "other", "app")
}

// obeysItsNamespace lets what went before come to its end: until then each namespace is looked at for another reason.
func (w *world) obeysItsNamespace(ctx context.Context) error {
	if err := w.rests(ctx); err != nil {
		return err
	}
	if err := w.rule(ctx, `["elsewhere"]`); err != nil {
		return err
	}
	return w.lacks(ctx, "app.aws-iam")
}

// countsWhatRepeats breaks the same rule twice, and leaves all as it was before that.
func (w *world) countsWhatRepeats(ctx context.Context) error {
	for _, change := range []func() error{
		func() error { return w.rule(ctx, `["*"]`) },
		func() error { return w.holds(ctx, "app.aws-iam", "other", "app") },
		func() error { return w.rule(ctx, `["elsewhere"]`) },
		func() error { return w.told(ctx, "ServiceAccount", "app", "RoleNotPermitted", 2) },
		func() error { return w.rule(ctx, `["*"]`) },
		func() error { return w.holds(ctx, "app.aws-iam", "other", "app") },
	} {
		if err := change(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) givesBackWhatIsNotAskedFor(ctx context.Context) error {
	if err := w.annotate(ctx, "app", "role", nil); err != nil {
		return err
	}
	if err := w.lacks(ctx, "app.aws-iam"); err != nil {
		return err
	}
	return w.untilAccount(ctx, "app", func(a *corev1.ServiceAccount) bool { return a.Annotations[prefix+"role-arn"] == "" })
}

func (w *world) tellsPodsThatWait(ctx context.Context) error {
	if err := w.account(ctx, w.served, "poor"); err != nil {
		return err
	}
	_, err := w.Client().CoreV1().Pods(w.served).Create(ctx, pod("waits", "poor"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err = w.annotate(ctx, "poor", "role", "no-such-role"); err != nil {
		return err
	}
	return w.told(ctx, "Pod", "waits", "GetCredentialsFailed", 1)
}

func (w *world) makesARole(ctx context.Context) error {
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`
	if err := w.account(ctx, w.served, "maker", "role-policy", policy); err != nil {
		return err
	}
	if err := w.holds(ctx, "maker.aws-iam"); err != nil {
		return err
	}
	return w.untilAccount(ctx, "maker", func(a *corev1.ServiceAccount) bool { return len(a.Finalizers) == 1 })
}

func (w *world) disposesOfIt(ctx context.Context) error {
	if err := w.Client().CoreV1().ServiceAccounts(w.served).Delete(ctx, "maker", metav1.DeleteOptions{}); err != nil {
		return err
	}
	err := kit.Eventually(ctx, within, func(ctx context.Context) error {
		_, err := w.Client().CoreV1().ServiceAccounts(w.served).Get(ctx, "maker", metav1.GetOptions{})
		return isGone("the ServiceAccount maker", err)
	})
	if err == nil && w.aws.Counts()["DeleteRole"] != 1 {
		err = errors.New("its role was left")
	}
	return errors.Join(err, w.lacks(ctx, "maker.aws-iam"))
}
