package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kube-aws-iam-controller/internal/identity"
)

// A choice is a flag with one of several values that can be given like a boolean flag
// too: without a value, as --no-<flag>, and as true or false.
type choice struct {
	flag string
	// options are the values. on and off are those that true and false stand for.
	options []string
	on, off string
}

// externalIDChoice was a boolean flag once. irsaChoice is one with a third value; it has
// no other spellings, because the admission policy has the value as it was written.
var (
	externalIDChoice = choice{
		flag:    "require-external-id",
		options: []string{string(identity.CheckNone), string(identity.CheckOtherAccounts), string(identity.CheckAll)},
		on:      string(identity.CheckAll), off: string(identity.CheckNone),
	}
	irsaChoice = choice{
		flag:    "irsa-annotations",
		options: []string{string(IgnoreIRSA), string(ReadIRSA), string(ForceIRSA)},
		on:      string(ReadIRSA), off: string(IgnoreIRSA),
	}
	choices = []choice{externalIDChoice, irsaChoice}
)

// choiceValue implements kingpin.Value for a choice.
type choiceValue[T ~string] struct {
	choice

	value *T
}

// Set implements kingpin.Value.
func (v choiceValue[T]) Set(text string) error {
	if slices.Contains(v.options, text) {
		*v.value = T(text)
		return nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil || v.isBoolean() {
		last := len(v.options) - 1
		return fmt.Errorf("invalid value %s: expected %s or %s", identity.Quote(text), strings.Join(v.options[:last], ", "), v.options[last])
	}
	if *v.value = T(v.off); on {
		*v.value = T(v.on)
	}
	return nil
}

// String implements kingpin.Value.
func (v choiceValue[T]) String() string { return string(*v.value) }

// isBoolean reports whether true and false are options themselves.
func (c choice) isBoolean() bool { return c.on == "true" }

// spellOutChoices adds the value to flags of choices that have none. In kingpin a flag
// either always has a value or never.
func spellOutChoices(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			return out // no flags follow
		}
		for _, c := range choices {
			switch {
			case arg == "--no-"+c.flag:
				out[i] = "--" + c.flag + "=" + c.off
			case arg == "--"+c.flag && (i+1 == len(out) || !slices.Contains(c.options, out[i+1])):
				out[i] = "--" + c.flag + "=" + c.on
			}
		}
	}
	return out
}
