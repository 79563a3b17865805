package config

import (
	"fmt"
	"slices"
	"strconv"

	"kube-aws-iam-controller/internal/identity"
)

// checkFlag is a switch that became a choice: on its own it still means all.
const checkFlag = "require-external-id"

// checkValue reads a choice, or the truth value that it was before.
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

// spellOutCheck gives the flag the value that it means without one. Kingpin takes
// a flag either with a value or without.
func spellOutCheck(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		switch {
		case arg == "--":
			return out // what follows are no flags
		case arg == "--no-"+checkFlag:
			out[i] = "--" + checkFlag + "=" + string(identity.CheckNone)
		case arg == "--"+checkFlag && (i+1 == len(out) || !isCheck(out[i+1])):
			out[i] = "--" + checkFlag + "=" + string(identity.CheckAll)
		}
	}
	return out
}
