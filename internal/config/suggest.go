package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"kube-aws-iam-controller/internal/identity"
)

// checkFlags returns an error for an unknown flag, with a suggestion, which kingpin does
// not make.
func checkFlags(app *kingpin.Application, args []string) error {
	var errs []error
	for _, arg := range args {
		if arg == "--" { // no flags follow
			break
		}
		if name := flagOf(arg); name != "" && !isFlag(app, arg, name) {
			errs = append(errs, fmt.Errorf("unknown flag %s%s", identity.Quote(dashes(arg)+name), didYouMean(name, flagNames(app), "--")))
		}
	}
	return errors.Join(errs...)
}

// flagOf returns the name of the flag in an argument, "" for none. A long name may have
// a single dash, as in Go.
func flagOf(arg string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(arg, dashes(arg)), "=")
	if dashes(arg) == "-" && len(name) <= 1 {
		return "" // a short flag, which kingpin checks
	}
	return name
}

func dashes(arg string) string {
	for _, prefix := range []string{"--", "-"} {
		if strings.HasPrefix(arg, prefix) {
			return prefix
		}
	}
	return arg // all of it, so that nothing is left for a name
}

func isFlag(app *kingpin.Application, arg, name string) bool {
	if dashes(arg) != "--" {
		return false
	}
	if app.GetFlag(name) != nil {
		return true
	}
	positive, negated := strings.CutPrefix(name, "no-")
	flag := app.GetFlag(positive)
	return negated && flag != nil && flag.Model().IsBoolFlag()
}

func flagNames(app *kingpin.Application) []string {
	var names []string
	for _, flag := range app.Model().Flags {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	}
	return names
}

// withCommand adds a suggestion of a command to an error of kingpin.
func withCommand(app *kingpin.Application, args []string, err error) error {
	if err == nil {
		return nil
	}
	var commands []string
	for _, command := range app.Model().Commands {
		commands = append(commands, command.Name)
	}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			continue
		}
		if near := nearest(arg, commands); near != "" && near != arg {
			return fmt.Errorf("%w%s", err, didYouMean(arg, commands, ""))
		}
	}
	return err
}

// didYouMean returns the suggestion at the end of a message about an unknown name.
func didYouMean(name string, known []string, prefix string) string {
	near := nearest(name, known)
	if near == "" {
		return ""
	}
	return " (did you mean " + prefix + near + "?)"
}

// nearest returns the known name that is most similar to an unknown one, "" if none is.
func nearest(name string, known []string) string {
	found, least := "", 0
	for _, candidate := range known {
		a, b := letters(name), letters(candidate)
		distance := editDistance(a, b)
		if distance <= max(1, min(len(a), len(b))/4) && (found == "" || distance < least) {
			found, least = candidate, distance
		}
	}
	return found
}

// letters returns a name without its separators and in lower case.
func letters(name string) string {
	if len(name) > maxName {
		return ""
	}
	return strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
}

// maxName is longer than any name.
const maxName = 64

// editDistance returns the number of insertions, deletions, substitutions and
// transpositions of bytes that turn b into a.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
