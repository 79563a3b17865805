package secrets

import "strings"

// window is how many bytes of a secret in a row are too many.
const window = 8

// redact replaces every part of text that is also part of a secret, whole or
// cut: clients cut long answers of servers anywhere.
func redact(text string, secrets []string) string {
	parts := map[string]bool{}
	for _, secret := range secrets {
		for i := 0; i+window <= len(secret); i++ {
			parts[secret[i:i+window]] = true
		}
	}
	var b strings.Builder
	for shown := 0; shown < len(text); {
		end := shown // of what is secret from here on
		for i := shown; i <= end && i+window <= len(text); i++ {
			if parts[text[i:i+window]] {
				end = i + window
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
