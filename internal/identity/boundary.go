package identity

import (
	"fmt"
	"slices"
	"strings"
)

// A Boundary is what a permissions boundary says of actions alone. It is compared with
// patterns of actions, and only as far as that is certain: whatever depends on resources
// and conditions counts as allowed. A nil Boundary takes nothing away.
type Boundary struct {
	allowed, denied []actionSet
}

// actionSet are the actions that a statement is about, in lower case: those that match one
// of the patterns or, with except, all others.
type actionSet struct {
	patterns []string
	except   bool
}

// ParseBoundary parses the document of a permissions boundary.
func ParseBoundary(document string) (*Boundary, error) {
	if _, err := ParsePolicy(document); err != nil {
		return nil, err
	}
	b := &Boundary{}
	for _, elements := range statementElementsOf(document) {
		_, except := elements["NotAction"]
		set := actionSet{lower(append(elements["Action"].strings(), elements["NotAction"].strings()...)), except}
		_, conditional := elements["Condition"]
		switch {
		case elements["Effect"].text == "Allow":
			b.allowed = append(b.allowed, set)
		case !conditional && slices.Contains(elements["Resource"].strings(), "*"):
			b.denied = append(b.denied, set)
		}
	}
	return b, nil
}

func lower(all []string) []string {
	lowered := make([]string, 0, len(all))
	for _, text := range all {
		lowered = append(lowered, strings.ToLower(text))
	}
	return lowered
}

// meets reports whether some action that matches a pattern may be in the set.
func (s actionSet) meets(pattern string) bool {
	if s.except {
		return !slices.ContainsFunc(s.patterns, func(p string) bool { return covers(p, pattern) })
	}
	return slices.ContainsFunc(s.patterns, func(p string) bool { return overlap(p, pattern) })
}

// contains reports whether each action that matches a pattern is certainly in the set.
func (s actionSet) contains(pattern string) bool {
	if s.except {
		return !slices.ContainsFunc(s.patterns, func(p string) bool { return overlap(p, pattern) })
	}
	return slices.ContainsFunc(s.patterns, func(p string) bool { return covers(p, pattern) })
}

// takesAway reports whether the boundary certainly allows no action that matches a
// pattern, on any resource and under any condition.
func (b *Boundary) takesAway(pattern string) bool {
	if b == nil {
		return false
	}
	pattern = strings.ToLower(pattern)
	return slices.ContainsFunc(b.denied, func(s actionSet) bool { return s.contains(pattern) }) ||
		!slices.ContainsFunc(b.allowed, func(s actionSet) bool { return s.meets(pattern) })
}

// TakenAway returns which actions an identity policy names in vain, because the boundary
// allows none of them, one phrase for each statement that does.
func (b *Boundary) TakenAway(policy string) (taken []string) {
	for i, elements := range statementElementsOf(policy) {
		actions := slices.DeleteFunc(grantOf(elements).actions, func(a string) bool { return !b.takesAway(a) })
		if len(actions) > 0 {
			taken = append(taken, fmt.Sprintf("%s of statement %d", Quote(strings.Join(actions, ", ")), i+1))
		}
	}
	return taken
}
