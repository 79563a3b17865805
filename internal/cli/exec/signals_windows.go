package exec

import "os"

// passedOn are the signals that do not end this process before the program. The console
// sends them to both.
var passedOn = []os.Signal{os.Interrupt}

func passOn(*os.Process, os.Signal) {}

// exitCode returns the exit code of a program that has ended.
func exitCode(state *os.ProcessState) int { return state.ExitCode() }
