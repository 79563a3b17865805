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
const maxName = 64

// hashLength is how many hexadecimal digits stand for what was cut off.
const hashLength = 10

// Name returns the session name under which role is assumed for want. It is
// what CloudTrail shows of who did something.
func Name(want identity.Desired, role identity.RoleReference) string {
	if want.Source == identity.ServiceAccount {
		return AccountName(want.Namespace, want.Name)
	}
	return roleName(role)
}

// AccountName returns the session name of a ServiceAccount, which the roles that
// are made for it demand: namespace.name; where that is too long, a hash keeps two
// of them from looking like one.
func AccountName(namespace, name string) string {
	full := namespace + "." + name
	if len(full) <= maxName {
		return full
	}
	sum := sha256.Sum256([]byte(namespace + "/" + name))
	return full[:maxName-hashLength-1] + "-" + hex.EncodeToString(sum[:])[:hashLength]
}

var notInNames = regexp.MustCompile(`[^\w+=,.@-]`)

// roleName is account.level.level.name, as the predecessor made it, because
// people search CloudTrail for it. The name keeps as much as it can while each
// path level keeps at least one character. Where not even that fits, which the
// predecessor did not survive, the path is left out.
func roleName(role identity.RoleReference) string {
	var levels []string
	if role.Path != "" {
		levels = strings.Split(strings.TrimSuffix(role.Path, "/"), "/")
	}
	levels = append(levels, role.Name)
	room := maxName - len(role.Account)
	if room < 2*len(levels) {
		levels = levels[len(levels)-1:]
	}
	parts := ""
	for last, level := range slices.Backward(levels) {
		level = notInNames.ReplaceAllString(level, "_")
		level = level[:min(len(level), room-1-2*last)]
		parts = "." + level + parts
		room -= 1 + len(level)
	}
	return role.Account + parts
}
