package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "kube-aws-iam-controller/"

// allowed is the architecture: each package and those of ours it may import.
var allowed = map[string][]string{
	"internal/identity":       {},
	"internal/trust":          {"internal/identity"},
	"internal/refresh":        {"internal/identity"},
	"internal/awsiamrole":     {"internal/identity"},
	"internal/serviceaccount": {"internal/identity", "internal/shares"},
	"internal/namespaces":     {"internal/identity"},
	"internal/broker":         {"internal/identity", "internal/refresh", "internal/ratelimit"},
	"internal/session":        {"internal/identity", "internal/awserr", "internal/ratelimit"},
	"internal/iamprovision":   {"internal/identity", "internal/trust", "internal/awserr", "internal/ratelimit"},
	"internal/secrets":        {"internal/identity", "internal/refresh"},
	"internal/report":         {"internal/identity", "internal/refresh"},
	"internal/awserr":         {},
	"internal/ratelimit":      {},
	"internal/workloop":       {},
	"internal/shares":         {},
	"internal/leader":         {},
	"internal/telemetry":      {"internal/httpserver", "internal/shares"},
	"internal/httpserver":     {"internal/shares"},
	"internal/authorized":     {},
	"internal/certificates":   {},
	"internal/admission":      {"internal/identity", "internal/shares"},
	"internal/logging":        {},
	"internal/config":         {"internal/identity", "internal/trust"},
	"internal/kube":           {"internal/awsiamrole"},
	"internal/credserver":     {},
	"internal/awssim":         {},

	"internal/admission/admissiontest": {},
}

func TestImportDirection(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		may, known := allowed[pkg]
		if !known {
			t.Errorf("%s is not in the table: say what it may import", pkg)
		}
		for _, imported := range fields[1:] {
			if rel, ours := strings.CutPrefix(imported, module); ours && !slices.Contains(may, rel) {
				t.Errorf("%s must not import %s", pkg, rel)
			}
		}
	}
}
