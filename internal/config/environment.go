package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// EnvPrefix is the prefix of the flags' environment variables: --cluster-name can be
// given as KUBE_AWS_IAM_CLUSTER_NAME.
const EnvPrefix = "KUBE_AWS_IAM"

func envName(flag string) string {
	return EnvPrefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// checkEnvironment returns an error for each variable with our prefix that is no flag's:
// a misspelled variable would otherwise be ignored silently.
func checkEnvironment(app *kingpin.Application) error {
	var names []string
	known := map[string]bool{}
	for _, flag := range app.Model().Flags {
		known[flag.Envar] = true
		if flag.Envar != "" && !flag.Hidden {
			names = append(names, strings.TrimPrefix(flag.Envar, EnvPrefix+"_"))
		}
	}
	var errs []error
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		// Kubernetes sets <SERVICE>_PORT… and <SERVICE>_SERVICE_… for a Service
		// named kube-aws-iam or kube-aws-iam-….
		setting, ours := strings.CutPrefix(name, EnvPrefix+"_")
		if !ours || known[name] || isServiceVariable(name) {
			continue
		}
		errs = append(errs, fmt.Errorf("environment variable %s: there is no such setting%s, see --help", name, didYouMean(setting, names, EnvPrefix+"_")))
	}
	return errors.Join(errs...)
}

func isServiceVariable(name string) bool {
	return strings.Contains(name, "_SERVICE_") || strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_PORT_")
}
