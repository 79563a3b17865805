package integration

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// document is what credentials.json holds.
type document struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string `json:"SecretAccessKey"`
	SessionToken    string `json:"SessionToken"`
	Expiration      string `json:"Expiration"`
}

func read(t *testing.T, secret *corev1.Secret) document {
	t.Helper()
	var d document
	require.NoError(t, json.Unmarshal(secret.Data["credentials.json"], &d))
	return d
}

func (d document) expires(t *testing.T) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, d.Expiration)
	require.NoError(t, err)
	return at
}

func jsonText(t *testing.T, value string) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}
