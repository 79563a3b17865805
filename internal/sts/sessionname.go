package sts

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// maxName is the longest session name,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const maxSessionName = 64

// hashLength is how many hexadecimal digits stand for what was cut off.
const hashLength = 10

// Name returns the session name under which role is assumed for want. It is
// what CloudTrail shows of who did something.
func SessionName(want identity.Desired, role identity.RoleReference) string {
	if want.Source == identity.ServiceAccount {
		return ServiceAccountSessionName(want.Namespace, want.Name)
	}
	return roleSessionName(role)
}

// AccountName returns the session name of a ServiceAccount, which the roles that
// are made for it demand: namespace.name; where that is too long, a hash keeps two
// of them from looking like one.
func ServiceAccountSessionName(namespace, name string) string {
	full := namespace + "." + name
	if len(full) <= maxSessionName {
		return full
	}
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return full[:maxSessionName-hashLength-1] + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

var invalidCharacters = regexp.MustCompile(`[^\w+=,.@-]`)

// roleName is account.level.level.name, as the predecessor made it, because
// people search CloudTrail for it. The name keeps as much as it can while each
// path level keeps at least one character. Where not even that fits, which the
// predecessor did not survive, the path is left out.
func roleSessionName(role identity.RoleReference) string {
	var levels []string
	if role.Path != "" {
		levels = strings.Split(strings.TrimSuffix(role.Path, "/"), "/")
	}
	levels = append(levels, role.Name)
	room := maxSessionName - len(role.Account)
	if room < 2*len(levels) {
		levels = levels[len(levels)-1:]
	}
	parts := ""
	for last, level := range slices.Backward(levels) {
		level = invalidCharacters.ReplaceAllString(level, "_")
		level = level[:min(len(level), room-1-2*last)]
		parts = "." + level + parts
		room -= 1 + len(level)
	}
	return role.Account + parts
}
