package finding

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/cli/command"
)

func TestTheExitCodeIsThatOfTheWorstFinding(t *testing.T) {
	for name, tt := range map[string]struct {
		states []State
		want   int
	}{
		"nothing examined":   {want: 0},
		"sound":              {states: []State{OK, Warning}, want: 0},
		"not seen":           {states: []State{OK, Unknown, Warning}, want: 2},
		"broken":             {states: []State{Broken, OK}, want: 1},
		"broken, after that": {states: []State{Unknown, Broken}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			findings := make([]Finding, 0, len(tt.states))
			for _, state := range tt.states {
				findings = append(findings, Finding{State: state})
			}
			err := Exit(findings)
			if tt.want == 0 {
				require.NoError(t, err)
				return
			}
			var exit *command.Error
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, tt.want, exit.Code)
			assert.NoError(t, exit.Unwrap(), "the output has said it")
		})
	}
}
