package secrets

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// window is how many bytes of a secret in a row are too many.
const minLeak = 8

// redact replaces every part of text that is also part of a secret, whole or
// cut: clients cut long answers of servers anywhere.
func redact(text string, secrets []string) string {
	parts := map[string]bool{}
	for _, secret := range secrets {
		for i := 0; i+minLeak <= len(secret); i++ {
			parts[secret[i:i+minLeak]] = true
		}
	}
	var b strings.Builder
	for shown := 0; shown < len(text); {
		end := shown // of what is secret from here on
		for i := shown; i <= end && i+minLeak <= len(text); i++ {
			if parts[text[i:i+minLeak]] {
				end = i + minLeak
			}
		}
		if end == shown {
			b.WriteByte(text[shown])
			shown++
			continue
		}
		b.WriteString("REDACTED")
		shown = end
	}
	return b.String()
}

// explain says which step failed, in the predecessor's words, with nothing in
// it that is secret: an API server, or a webhook it asks, may quote what it
// was sent.
func (w *writer) stepError(err error) error {
	if _, ok := errors.AsType[*identity.StepError](err); ok {
		return err
	}
	verb, reason := "update", api.UpdateSecretFailed
	if w.creating {
		verb, reason = "create", api.CreateSecretFailed
	}
	text := w.redact(err.Error())
	return &identity.StepError{
		Reason:  reason,
		Message: fmt.Sprintf("Failed to %s secret %s/%s with credentials: %s", verb, w.want.Namespace, w.want.SecretName, text),
		Err:     errors.New(text),
	}
}

// scrub takes out of a text whatever it quotes of the credentials.
func (w *writer) redact(text string) string {
	secret := []string{w.creds.AccessKeyID.Reveal(), w.creds.SecretAccessKey.Reveal(), w.creds.SessionToken.Reveal(), string(w.data[api.AuthorizationTokenKey])}
	for _, key := range []string{api.CredentialsKey, api.CredentialsJSONKey, api.AuthorizationTokenKey} {
		secret = append(secret, base64.StdEncoding.EncodeToString(w.data[key]))
	}
	return redact(text, secret)
}
