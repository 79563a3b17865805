package config

import (
	"fmt"
	"slices"
	"strconv"

	"kube-aws-iam-controller/internal/identity"
)

// checkFlag was a boolean flag once: without a value it still means all.
const checkFlag = "require-external-id"

// checkValue implements kingpin.Value for a choice, or for the boolean it was once.
type checkValue identity.ExternalIDCheck

// Set implements kingpin.Value.
func (c *checkValue) Set(text string) error {
	if isCheck(text) {
		*c = checkValue(text)
		return nil
	}
	switch on, err := strconv.ParseBool(text); {
	case err != nil:
		return fmt.Errorf("%s: give off, other-accounts or all", identity.Quote(text))
	case on:
		*c = checkValue(identity.CheckAll)
	default:
		*c = checkValue(identity.CheckNone)
	}
	return nil
}

// String implements kingpin.Value.
func (c *checkValue) String() string { return string(*c) }

func isCheck(text string) bool {
	return slices.Contains([]identity.ExternalIDCheck{identity.CheckNone, identity.CheckOtherAccounts, identity.CheckAll}, identity.ExternalIDCheck(text))
}

// spellOutCheck adds the value to the flag if it has none. In kingpin a flag either
// always has a value or never.
func spellOutCheck(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		switch {
		case arg == "--":
			return out // no flags follow
		case arg == "--no-"+checkFlag:
			out[i] = "--" + checkFlag + "=" + string(identity.CheckNone)
		case arg == "--"+checkFlag && (i+1 == len(out) || !isCheck(out[i+1])):
			out[i] = "--" + checkFlag + "=" + string(identity.CheckAll)
		}
	}
	return out
}
