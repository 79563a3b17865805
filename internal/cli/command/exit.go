package command

// Exit codes that all commands share. A command may have more of its own, which its help
// lists.
const (
	ExitOK    = 0
	ExitError = 1
	// ExitUnknown says that the user may not see all that the command is about.
	ExitUnknown = 2
)

// Error is an error with an exit code of its own.
type Error struct {
	Code int
	// Err is printed to standard error, unless it is nil: the output has said it already.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
