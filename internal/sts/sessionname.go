package sts

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// maxSessionName is the maximum length of a session name:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
const maxSessionName = 64

// hashLength is the number of hexadecimal digits that replace a truncated part.
const hashLength = 10

// SessionName returns the session name under which role is assumed for want.
// CloudTrail shows it.
func SessionName(want identity.Desired, role identity.RoleReference) string {
	if want.Source == identity.ServiceAccount {
		return ServiceAccountSessionName(want.Namespace, want.Name)
	}
	return roleSessionName(role)
}

// ServiceAccountSessionName returns the session name of a ServiceAccount, which the
// trust policy of its managed role requires: namespace.name, at most 64 characters.
// A longer one is truncated and ends with a hash, so that it stays unique.
func ServiceAccountSessionName(namespace, name string) string {
	full := namespace + "." + name
	if len(full) <= maxSessionName {
		return full
	}
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return full[:maxSessionName-hashLength-1] + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

var invalidCharacters = regexp.MustCompile(`[^\w+=,.@-]`)

// roleSessionName returns account.level.level.name, as the predecessor did, because
// people search CloudTrail for it. The name is truncated as little as possible
// while each path level keeps at least one character. If even that is too long,
// which made the predecessor fail, the path is omitted.
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
