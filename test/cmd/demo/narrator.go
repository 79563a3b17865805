package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"kube-aws-iam-controller/test/kit"
)

// patience is what a step waits for at most. Most things are there in a moment.
const patience = time.Minute

// stillInterval is how often something that takes long says so.
const stillInterval = 5 * time.Second

// narrator says what is done, and what came of it.
type narrator struct {
	out   io.Writer
	begin time.Time
	steps int

	mu   sync.Mutex
	said bytes.Buffer // all that was written, to be searched for credentials
}

func newNarrator(out io.Writer) *narrator { return &narrator{out: out, begin: time.Now()} }

// line writes a line as it is.
func (n *narrator) line(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(io.MultiWriter(n.out, &n.said), format+"\n", args...)
}

// step begins a numbered step.
func (n *narrator) step(title string) {
	n.steps++
	n.line("\n%d. %s", n.steps, title)
}

// note tells of one thing within a step, with the time since the demo began.
func (n *narrator) note(format string, args ...any) {
	for line := range strings.Lines(strings.TrimSpace(fmt.Sprintf(format, args...))) {
		n.line("   %6.1f s  %s", n.elapsed().Seconds(), strings.TrimRight(line, "\n"))
	}
}

func (n *narrator) elapsed() time.Duration { return time.Since(n.begin) }

// Write passes on what a child process or a long build says, line by line as it comes.
func (n *narrator) Write(p []byte) (int, error) {
	n.note("%s", p)
	return len(p), nil
}

// hasSaid tells whether a text was written.
func (n *narrator) hasSaid(text string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return bytes.Contains(n.said.Bytes(), []byte(text))
}

// during does what may take long, and says every few seconds that it is still at it.
func (n *narrator) during(what string, do func() error) error {
	done, begin := make(chan struct{}), time.Now()
	var progress sync.WaitGroup
	progress.Go(func() {
		ticker := time.NewTicker(stillInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				n.note("… %s: %.0f s so far", what, time.Since(begin).Seconds())
			}
		}
	})
	defer progress.Wait()
	defer close(done)
	return do()
}

// await asks until there is no error any more.
func (n *narrator) await(ctx context.Context, what string, done func(context.Context) error) error {
	err := n.during("waiting for "+what, func() error { return kit.Eventually(ctx, patience, done) })
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
