package secrets

import (
	"encoding/json"
	"strings"
	"testing"

	"kube-aws-iam-controller/internal/identity"
)

// BenchmarkRender counts what a renewal costs besides its requests: rendering the data and
// the patch of a Secret.
func BenchmarkRender(b *testing.B) {
	creds := creds
	creds.SessionToken = identity.Secret(strings.Repeat("t", 1000))
	for name, source := range bothSources {
		b.Run(name, func(b *testing.B) {
			want := desired(source)
			have := &observation{name: want.SecretName}
			have.Exists, have.UID, have.ResourceVersion = true, "u1", "7"
			b.ReportAllocs()
			for b.Loop() {
				data, err := render(want, creds)
				if err != nil {
					b.Fatal(err)
				}
				if _, err = json.Marshal(operations(want, have, data, annotations(want, creds), source == identity.AWSIAMRole)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTransform counts what the cache makes of a Secret, at every event.
func BenchmarkTransform(b *testing.B) {
	for name, source := range bothSources {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			secret := w.stored(b, desired(source))
			b.ReportAllocs()
			for b.Loop() {
				observe(source, &secret.ObjectMeta)
			}
		})
	}
}
