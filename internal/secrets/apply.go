package secrets

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// maxAttempts limits how often one Apply starts over because another client wrote
// at the same time. After that the caller's backoff applies.
const maxAttempts = 4

// Apply writes creds to the Secret of want, with one call if the Secret is as it
// was last observed. A Secret that does not belong to the controller is left
// unchanged. Apply returns the new state as the API server returned it, and whether
// the Secret was created. Its errors are *identity.StepError and contain no
// credentials.
func (s *Store) Apply(ctx context.Context, want identity.Desired, creds identity.Credentials) (refresh.State, bool, error) {
	w, err := newWriter(s, want, creds)
	if err != nil {
		return refresh.State{}, false, err
	}
	have := s.observe(want.Key)
	step := w.create
	if have.Exists {
		step = func(ctx context.Context) (*corev1.Secret, error) { return w.patch(ctx, &have) }
	}
	for try := 1; ; try++ {
		secret, err := step(ctx)
		if err == nil {
			return s.recordWrite(want.Key, &secret.ObjectMeta), w.created, nil
		}
		next := w.nextStep(err)
		if next == nil || try == maxAttempts {
			return refresh.State{}, false, w.stepError(err)
		}
		step = next
	}
}
