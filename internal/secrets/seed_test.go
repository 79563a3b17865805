package secrets

import (
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestSeedOfThePredecessorIsKnownByItsShape(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Secret)
		want   bool
	}{
		"as its README has it":    {func(*corev1.Secret) {}, true},
		"with the shell's ending": {func(s *corev1.Secret) { s.Data["credentials.process"] = []byte(processFile) }, true},
		"a label":                 {func(s *corev1.Secret) { s.Labels = map[string]string{"a": "b"} }, false},
		"an owner":                {func(s *corev1.Secret) { s.OwnerReferences = []metav1.OwnerReference{{Name: "x"}} }, false},
		"a finalizer":             {func(s *corev1.Secret) { s.Finalizers = []string{"example.com/x"} }, false},
		"another type":            {func(s *corev1.Secret) { s.Type = "example.com/x" }, false},
		"another key":             {func(s *corev1.Secret) { s.Data["password"] = nil }, false},
		"a key less":              {func(s *corev1.Secret) { delete(s.Data, "credentials.process") }, false},
		"another program": {func(s *corev1.Secret) {
			s.Data["credentials.process"] = []byte("[default]\ncredential_process = true\n")
		}, false},
		"no JSON": {func(s *corev1.Secret) { s.Data["credentials.json"] = []byte("x") }, false},
		"keys of a user": {func(s *corev1.Secret) {
			s.Data["credentials.json"] = []byte(`{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b"}`)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{Type: corev1.SecretTypeOpaque, Data: map[string][]byte{
				"credentials.json":    []byte(`{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","SessionToken":"c","Expiration":"2030-01-02T03:04:05Z"}`),
				"credentials.process": []byte("[default]\ncredential_process = cat /meta/aws-iam/credentials.json"),
			}}
			tc.change(secret)
			assert.Equal(t, tc.want, isSeed(secret))
		})
	}
}
