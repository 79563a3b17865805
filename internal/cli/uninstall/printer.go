package uninstall

import (
	"fmt"
	"io"
	"sync"

	"kube-aws-iam-controller/internal/identity"
)

// A Printer prints what becomes of identities, a line each.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
	err error
}

// NewPrinter returns a Printer that writes to out.
func NewPrinter(out io.Writer) *Printer { return &Printer{out: out} }

// Print prints a line about an identity.
func (p *Printer) Print(key identity.Key, message string) {
	p.Say(fmt.Sprintf("%s/%s: %s", key.Namespace, key.Name, message))
}

// Say prints a line.
func (p *Printer) Say(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintln(p.out, message); err != nil && p.err == nil {
		p.err = err
	}
}

// Err returns the first error of the writer.
func (p *Printer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
