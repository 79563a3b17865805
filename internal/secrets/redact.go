package secrets

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// minLeak is the number of consecutive bytes of a secret that must not appear.
const minLeak = 8

// redact replaces every part of text that is also part of a secret. Parts count,
// because clients truncate long responses anywhere.
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

// stepError returns err as an *identity.StepError in the words of the predecessor,
// without credentials: the API server or an admission webhook may quote the request
// in its error.
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

// redact removes from text what it quotes of the credentials.
func (w *writer) redact(text string) string {
	secret := []string{w.creds.AccessKeyID.Reveal(), w.creds.SecretAccessKey.Reveal(), w.creds.SessionToken.Reveal(), string(w.data[api.AuthorizationTokenKey])}
	for _, key := range []string{api.CredentialsKey, api.CredentialsJSONKey, api.AuthorizationTokenKey} {
		secret = append(secret, base64.StdEncoding.EncodeToString(w.data[key]))
	}
	return redact(text, secret)
}
