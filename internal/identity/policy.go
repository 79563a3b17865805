package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Limits of policies,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
const (
	maxPolicy  = 10_240        // characters other than white space
	maxCompact = 2 * maxPolicy // bytes, white space within strings included
)

// ParsePolicy parses an identity-based policy written by a tenant and returns it as
// compact JSON. The error names the problem and the remedy. What only AWS can know,
// such as whether an action exists, is not checked.
func ParsePolicy(text string) (string, error) {
	if err := checkSyntax(text); err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(strings.TrimSpace(text))); err != nil {
		return "", err
	}
	if err := checkCharacters(compact.String()); err != nil {
		return "", err
	}
	if _, err := readPolicy(compact.String(), IdentityPolicy); err != nil {
		return "", err
	}
	return compact.String(), nil
}

// readPolicy decodes JSON text and checks that it is a policy of the given kind.
func readPolicy(text string, kind PolicyKind) (jsonValue, error) {
	policy, err := decodeJSON(text)
	if err != nil {
		return policy, err
	}
	if policy.kind != jsonObject {
		return policy, fmt.Errorf("%s is not a policy: give a JSON object with Version and Statement, such as %s", Quote(text), examplePolicy)
	}
	return policy, checkPolicy(policy, kind)
}

// NormalizePolicy parses a policy as strictly as ParsePolicy does and returns it
// with equivalent single values written in one way: numbers and booleans as
// strings, and the principal "*" as {"AWS":"*"}.
func NormalizePolicy(text string, kind PolicyKind) (string, error) {
	if err := checkSyntax(text); err != nil {
		return "", err
	}
	policy, err := readPolicy(text, kind)
	if err != nil {
		return "", err
	}
	normal, err := json.Marshal(policy.normalize())
	return string(normal), err
}

func (v jsonValue) normalize() any {
	switch v.kind {
	case jsonObject:
		object := make(map[string]any, len(v.members)) // checkPolicy rejected duplicate keys
		for _, m := range v.members {
			object[m.key] = m.value.normalize()
			if everybody := m.value.kind == jsonString; everybody && (m.key == "Principal" || m.key == "NotPrincipal") {
				object[m.key] = map[string]any{"AWS": m.value.text}
			}
		}
		return object
	case jsonList:
		list := make([]any, 0, len(v.items))
		for _, item := range v.items {
			list = append(list, item.normalize())
		}
		return list
	default:
		return v.text // checkPolicy rejected null
	}
}

// checkCharacters enforces the limits of IAM, which counts characters other than
// white space and accepts none beyond U+00FF.
func checkCharacters(text string) error {
	n := 0
	for _, r := range text {
		if r > 0xFF {
			return fmt.Errorf("the policy has the character %s, and IAM takes none beyond U+00FF: leave it out", Quote(string(r)))
		}
		if !unicode.IsSpace(r) {
			n++
		}
	}
	if n > maxPolicy {
		return fmt.Errorf("the policy has %d characters without white space, and IAM takes %d: shorten it, or move parts into managed policies", n, maxPolicy)
	}
	if len(text) > maxCompact {
		return fmt.Errorf("the policy has %d bytes without white space between its parts, and at most %d are taken: shorten its strings", len(text), maxCompact)
	}
	return nil
}
