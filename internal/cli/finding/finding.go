// Package finding is what commands of the plugin that examine a cluster conclude, how it
// is printed, and which exit code follows from it.
package finding

import "kube-aws-iam-controller/internal/cli/command"

// State says whether what was examined is sound.
type State string

// The states.
const (
	OK State = "ok"
	// Warning is what works, but not as one would expect.
	Warning State = "warning"
	Broken  State = "broken"
	// Unknown is what the user may not see, or what could not be read.
	Unknown State = "unknown"
)

// Finding is one conclusion. Its JSON and YAML form is stable.
type Finding struct {
	// Check names what was examined, such as "guard".
	Check string `json:"check"`
	State State  `json:"state"`
	// Message is one line: what was found and, unless it is sound, the cause.
	Message string `json:"message"`
	// Remedy is what to do about it, if possible a command. It is empty for what is sound.
	Remedy string `json:"remedy,omitempty"`
}

// Exit returns the error with the exit code of findings: nil without a broken or unknown
// one, code 1 with a broken one, and code 2 if the worst is unknown. The output says why.
func Exit(findings []Finding) error {
	code := command.ExitOK
	for _, f := range findings {
		if f.State == Broken {
			return &command.Error{Code: command.ExitError}
		}
		if f.State == Unknown {
			code = command.ExitUnknown
		}
	}
	if code == command.ExitOK {
		return nil
	}
	return &command.Error{Code: code}
}
