package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"kube-aws-iam-controller/internal/identity"
)

const wholeNumber = "a whole number"

// setting wraps the value of a flag so that errors name the flag and its variable, and
// say what is expected. Kingpin's own errors do not.
type setting struct {
	kingpin.Value
	flag string
}

// Set implements kingpin.Value.
func (s setting) Set(value string) error {
	err, expected := s.Value.Set(value), s.wants()
	if err == nil && expected == wholeNumber { // kingpin would truncate 1.9 to 1
		_, err = strconv.Atoi(value)
	}
	if err != nil && expected != "" {
		err = fmt.Errorf("invalid value %s: expected %s", identity.Quote(value), expected)
	}
	return flagError(s.flag, err)
}

// wants returns what the flag takes, "" if kingpin's error says so.
func (s setting) wants() string {
	getter, ok := s.Value.(kingpin.Getter)
	if !ok {
		return ""
	}
	switch getter.Get().(type) {
	case bool:
		return "true or false"
	case int:
		return wholeNumber
	case float64:
		return "a number"
	case time.Duration:
		return "a duration such as 90s or 20m"
	default:
		return ""
	}
}

// IsBoolFlag tells kingpin that the flag takes no argument.
func (s setting) IsBoolFlag() bool {
	b, ok := s.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// spellOutBooleans turns --flag=true into --flag, and --flag=false into --no-flag.
// Kingpin accepts only the latter; the components of Kubernetes accept the former.
func spellOutBooleans(app *kingpin.Application, args []string) ([]string, error) {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" { // no flags follow
			return append(out, args[i:]...), nil
		}
		spelt, err := spellOutBoolean(app, arg)
		if err != nil {
			return nil, err
		}
		out = append(out, spelt)
	}
	return out, nil
}

func spellOutBoolean(app *kingpin.Application, arg string) (string, error) {
	long, isLong := strings.CutPrefix(arg, "--")
	name, value, assigned := strings.Cut(long, "=")
	flag := app.GetFlag(name)
	if !isLong || !assigned || flag == nil || !flag.Model().IsBoolFlag() {
		return arg, nil
	}
	on, err := strconv.ParseBool(value)
	switch {
	case err != nil:
		return "", flagError(name, fmt.Errorf("invalid value %s: expected true or false", identity.Quote(value)))
	case on:
		return "--" + name, nil
	default:
		return "--no-" + name, nil
	}
}
