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
	maxPolicy        = 10_240        // characters other than white space
	maxCompact       = 2 * maxPolicy // bytes, white space within strings included
	maxSessionPolicy = 2_048         // characters, white space within strings included
)

// MaxSessionPolicyBytes is the maximum length of a compact session policy in UTF-8,
// which has two bytes for each character beyond ASCII.
const MaxSessionPolicyBytes = 2 * maxSessionPolicy

// ParsePolicy parses an identity-based policy written by a tenant and returns it as
// compact JSON. The error names the problem and the remedy. What only AWS can know,
// such as whether an action exists, is not checked.
func ParsePolicy(text string) (string, error) { return compactPolicy(text, IdentityPolicy) }

// ParseSessionPolicy parses the policy that the sessions of an object are limited to,
// as ParsePolicy does. STS takes at most 2,048 characters of it:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
func ParseSessionPolicy(text string) (string, error) { return compactPolicy(text, SessionPolicy) }

// compactPolicy returns a policy of the given kind as compact JSON.
func compactPolicy(text string, kind PolicyKind) (string, error) {
	if err := checkSyntax(text); err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(strings.TrimSpace(text))); err != nil {
		return "", err
	}
	if err := checkCharacters(compact.String(), kind); err != nil {
		return "", err
	}
	if _, err := readPolicy(compact.String(), kind); err != nil {
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

// checkCharacters enforces the limits of AWS, which accepts no characters beyond
// U+00FF. Of an identity policy IAM counts those other than white space. Of a session
// policy STS counts all, of which compact text has the fewest.
func checkCharacters(text string, kind PolicyKind) error {
	all, visible := 0, 0
	for _, r := range text {
		if r > 0xFF {
			return fmt.Errorf("the policy has the character %s, and IAM takes none beyond U+00FF: leave it out", Quote(string(r)))
		}
		all++
		if !unicode.IsSpace(r) {
			visible++
		}
	}
	switch {
	case kind == SessionPolicy && all > maxSessionPolicy:
		return fmt.Errorf("the policy has %d characters without white space between its parts, and STS takes %d: shorten it, "+
			"for example by wildcards, or have a role with fewer permissions", all, maxSessionPolicy)
	case visible > maxPolicy:
		return fmt.Errorf("the policy has %d characters without white space, and IAM takes %d: shorten it, or move parts into managed policies", visible, maxPolicy)
	case len(text) > maxCompact:
		return tooManyBytes(len(text))
	}
	return nil
}

func tooManyBytes(n int) error {
	return fmt.Errorf("the policy has %d bytes without white space between its parts, and at most %d are taken: shorten its strings", n, maxCompact)
}
