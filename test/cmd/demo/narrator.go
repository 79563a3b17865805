package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// narrator says what is done, and what came of it.
type narrator struct {
	out   io.Writer
	begin time.Time
	steps int
}

func newNarrator(out io.Writer) *narrator { return &narrator{out: out, begin: time.Now()} }

// step begins a numbered step.
func (n *narrator) step(format string, args ...any) {
	n.steps++
	fmt.Fprintf(n.out, "\n%d. %s\n", n.steps, fmt.Sprintf(format, args...))
}

// note tells of one thing within a step.
func (n *narrator) note(format string, args ...any) {
	elapsed := time.Since(n.begin).Seconds()
	for line := range strings.Lines(strings.TrimSpace(fmt.Sprintf(format, args...))) {
		fmt.Fprintf(n.out, "   %6.1f s  %s\n", elapsed, strings.TrimRight(line, "\n"))
	}
}

// Write passes on what a child process or a long build says, line by line as it comes.
func (n *narrator) Write(p []byte) (int, error) {
	n.note("%s", p)
	return len(p), nil
}
