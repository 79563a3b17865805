package secrets

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

// maxTries bounds how often one Apply starts over because somebody else wrote
// at the same time. What is left after that is the back-off's.
const maxAttempts = 4

// Apply makes the Secret of want hold creds: one call for a Secret that is as
// it was observed. A Secret that is not ours stays as it is and is reported as
// an identity.StepError, as are all other failures. The new state is returned
// as the API server answered it, and whether the Secret was created.
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
