package finding

import (
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"

	"kube-aws-iam-controller/internal/cli/command"
)

var colors = map[State]command.Color{OK: command.Green, Warning: command.Yellow, Broken: command.Red, Unknown: command.Yellow}

// marks are what is printed for states. All have the same width.
var marks = map[State]string{OK: "ok     ", Warning: "warning", Broken: "failed ", Unknown: "unknown"}

// Print writes findings one a line, each that is not sound followed by its remedy.
func Print(out io.Writer, findings []Finding) {
	painter := command.NewPainter(out)
	for _, f := range findings {
		fmt.Fprintf(out, "%s  %-11s %s\n", painter.Paint(colors[f.State], marks[f.State]), f.Check, escape(f.Message))
		if f.Remedy != "" {
			fmt.Fprintf(out, "%21s %s\n", "->", escape(f.Remedy))
		}
	}
}

// escape makes text from the cluster harmless to a terminal.
func escape(text string) string {
	return printers.EscapeTerminal(strings.Join(strings.Fields(text), " "))
}
