package main

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "kube-aws-iam-controller/"

// allowed is the architecture: each package and those of ours it may import.
var allowed = map[string][]string{
	"internal/api":            {},
	"internal/limit":          {},
	"internal/identity":       {"internal/api"},
	"internal/trust":          {"internal/api", "internal/identity"},
	"internal/refresh":        {"internal/identity"},
	"internal/awsiamrole":     {"internal/api", "internal/identity", "internal/typed"},
	"internal/serviceaccount": {"internal/api", "internal/identity", "internal/limit"},
	"internal/namespaces":     {"internal/api", "internal/identity"},
	"internal/broker":         {"internal/api", "internal/identity", "internal/refresh", "internal/limit", "internal/status"},
	"internal/status":         {"internal/api", "internal/identity", "internal/refresh"},
	"internal/externalid":     {"internal/api", "internal/identity", "internal/refresh"},
	"internal/managedrole":    {"internal/api", "internal/identity", "internal/limit"},
	"internal/sts":            {"internal/api", "internal/identity", "internal/awserr", "internal/limit"},
	"internal/iamprovision":   {"internal/api", "internal/identity", "internal/trust", "internal/awserr", "internal/limit"},
	"internal/secrets":        {"internal/api", "internal/identity", "internal/refresh"},
	"internal/events":         {"internal/api", "internal/identity", "internal/limit", "internal/refresh"},
	"internal/awserr":         {},
	"internal/queue":          {},
	"internal/leader":         {},
	"internal/telemetry":      {"internal/httpserver", "internal/limit"},
	"internal/httpserver":     {"internal/limit"},
	"internal/delegatedauth":  {},
	"internal/certificates":   {},
	"internal/ekswebhook":     {},
	"internal/policycheck":    {"internal/api", "internal/awserr", "internal/identity"},
	"internal/admission":      {"internal/api", "internal/identity", "internal/limit"},
	"internal/logging":        {},
	"internal/config":         {"internal/api", "internal/identity", "internal/trust"},
	"internal/kube":           {"internal/awsiamrole", "internal/typed"},
	"internal/typed":          {},
	"internal/credserver":     {},
	"internal/awssim":         {},
	"internal/setup":          {"internal/config", "internal/identity", "internal/sts", "internal/trust", "internal/iamprovision", "internal/kube", "internal/serviceaccount", "internal/awsiamrole", "internal/secrets", "internal/namespaces"},
	"internal/app":            nil, // wires all of them

	"internal/cli":              nil, // has all commands
	"internal/cli/command":      {"internal/awsiamrole", "internal/identity", "internal/logging"},
	"internal/cli/installation": {"internal/api", "internal/config", "internal/identity", "internal/setup", "internal/sts"},
	"internal/cli/trustpolicy":  {"internal/cli/command", "internal/cli/installation", "internal/config", "internal/setup"},
	"internal/cli/bootstrap": {
		"internal/cli/command", "internal/cli/installation", "internal/config", "internal/setup", "internal/api", "internal/awserr",
		"internal/identity", "internal/kube", "internal/secrets", "internal/serviceaccount", "internal/sts",
	},
	"internal/cli/uninstall": {
		"internal/cli/command", "internal/cli/installation", "internal/config", "internal/setup", "internal/api", "internal/awserr",
		"internal/iamprovision", "internal/identity", "internal/kube", "internal/leader", "internal/refresh", "internal/sts",
	},
	"internal/cli/check": {
		"internal/api", "internal/awserr", "internal/awsiamrole", "internal/cli/command", "internal/cli/crd", "internal/cli/finding", "internal/cli/installation",
		"internal/config", "internal/ekswebhook", "internal/identity", "internal/secrets", "internal/serviceaccount", "manifests",
	},
	"internal/cli/exec": {
		"internal/api", "internal/cli/command", "internal/cli/installation", "internal/credserver", "internal/identity", "internal/secrets", "internal/serviceaccount",
	},
	"internal/cli/crd":     {"manifests"},
	"internal/cli/finding": {"internal/cli/command"},
	"internal/cli/explain": {"internal/identity", "internal/cli/command", "internal/cli/finding", "internal/cli/installation", "internal/cli/explain/chain", "internal/cli/explain/gather"},
	"internal/cli/explain/chain": {
		"internal/api", "internal/identity", "internal/trust", "internal/refresh", "internal/awsiamrole", "internal/serviceaccount", "internal/namespaces",
		"internal/secrets", "internal/sts", "internal/iamprovision", "internal/admission", "internal/config", "internal/awserr", "internal/cli/crd", "internal/cli/finding", "internal/cli/installation",
	},
	"internal/cli/explain/gather": {
		"internal/api", "internal/identity", "internal/awserr", "internal/serviceaccount", "internal/sts",
		"internal/cli/command", "internal/cli/crd", "internal/cli/explain/chain", "internal/cli/installation",
	},
	"internal/cli/status": {
		"internal/api", "internal/awsiamrole", "internal/cli/command", "internal/cli/installation", "internal/config", "internal/identity",
		"internal/refresh", "internal/secrets", "internal/serviceaccount", "internal/trust",
	},

	"internal/cli/migrate":          {"internal/api", "internal/cli/command", "internal/cli/installation", "internal/cli/migrate/convert", "internal/cli/migrate/manifest", "internal/cli/migrate/plan", "internal/identity", "internal/trust"},
	"internal/cli/migrate/convert":  {"internal/api", "internal/cli/migrate/manifest", "internal/identity", "internal/namespaces"},
	"internal/cli/migrate/manifest": {},
	"internal/cli/migrate/plan":     {"internal/api", "internal/cli/migrate/convert", "internal/identity", "internal/sts", "internal/trust"},

	"internal/admission/admissiontest": {},
}

func TestImportDirection(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...").Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], module)
		may, known := allowed[pkg]
		if pkg == "internal/app" {
			may = slices.Collect(maps.Keys(allowed))
			may = slices.DeleteFunc(may, func(p string) bool { return p == "internal/awssim" || strings.HasPrefix(p, "internal/cli") || p == pkg })
		}
		if pkg == "internal/cli" {
			may = slices.Collect(maps.Keys(allowed))
			may = slices.DeleteFunc(may, func(p string) bool { return !strings.HasPrefix(p, "internal/cli/") })
		}
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

// TestControllerHasNoClientset keeps out what takes as much memory as all else together:
// docs/adr/0026-clients-of-few-types.md.
func TestControllerHasNoClientset(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for dependency := range strings.Lines(string(out)) {
		for _, heavy := range []string{"k8s.io/client-go/kubernetes", "k8s.io/client-go/informers", "k8s.io/client-go/applyconfigurations", "k8s.io/client-go/gentype"} {
			require.False(t, strings.HasPrefix(dependency, heavy), "%s imports, by way of others, %s", module, dependency)
		}
	}
}
