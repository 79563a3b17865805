package command

import (
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// Color is a color of text. All of its codes have the same length, so that they do not disturb
// columns in which every cell has one.
type Color string

// The colors.
const (
	Plain  Color = "\x1b[39m"
	Red    Color = "\x1b[31m"
	Yellow Color = "\x1b[33m"
	Green  Color = "\x1b[32m"
)

// A Painter colors text, and leaves it unchanged unless out is a terminal that is to have
// colors: https://no-color.org.
type Painter bool

// NewPainter returns the Painter for out.
func NewPainter(out io.Writer) Painter { return Painter(printers.AllowsColorOutput(out)) }

// Paint returns text in a color.
func (p Painter) Paint(c Color, text string) string {
	if !p {
		return text
	}
	return string(c) + text + "\x1b[0m"
}

// Escape makes one line of text from the cluster, which tenants may have written, and
// harmless to a terminal.
func Escape(text string) string {
	return printers.EscapeTerminal(strings.Join(strings.Fields(text), " "))
}
