package uninstall

import (
	"fmt"
	"io"
	"sync"

	"kube-aws-iam-controller/internal/identity"
)

// A Printer prints what becomes of identities, a line each. It implements
// managedrole.Events: nobody reads the events of a controller that is being removed.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
	err error
}

// NewPrinter returns a Printer that writes to out.
func NewPrinter(out io.Writer) *Printer { return &Printer{out: out} }

// Print prints a line about an identity.
func (p *Printer) Print(key identity.Key, message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintf(p.out, "%s/%s: %s\n", key.Namespace, key.Name, message); err != nil && p.err == nil {
		p.err = err
	}
}

// Normal implements managedrole.Events.
func (p *Printer) Normal(want identity.Desired, reason, message string) {
	p.Print(want.Key, reason+": "+message)
}

// Warn implements managedrole.Events.
func (p *Printer) Warn(want identity.Desired, _ bool, reason, message string) {
	p.Print(want.Key, reason+": "+message)
}

// Err returns the first error of the writer.
func (p *Printer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
