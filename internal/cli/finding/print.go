package finding

import (
	"fmt"
	"io"

	"kube-aws-iam-controller/internal/cli/command"
)

// Colors are those of states on a terminal.
var Colors = map[State]command.Color{OK: command.Green, Warning: command.Yellow, Broken: command.Red, Unknown: command.Yellow}

// marks are what is printed for states. All have the same width.
var marks = map[State]string{OK: "ok     ", Warning: "warning", Broken: "failed ", Unknown: "unknown"}

// Print writes findings one a line, each that is not sound followed by its remedy.
func Print(out io.Writer, findings []Finding) {
	painter := command.NewPainter(out)
	for _, f := range findings {
		fmt.Fprintf(out, "%s  %-11s %s\n", painter.Paint(Colors[f.State], marks[f.State]), f.Check, command.Escape(f.Message))
		if f.Remedy != "" {
			fmt.Fprintf(out, "%21s %s\n", "->", command.Escape(f.Remedy))
		}
	}
}
