package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"
)

// EnvPrefix starts the environment variable of every flag: --cluster-name is
// also KUBE_AWS_IAM_CLUSTER_NAME.
const EnvPrefix = "KUBE_AWS_IAM"

func envName(flag string) string {
	return EnvPrefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// checkEnvironment finds variables that nobody reads: a misspelt one would
// otherwise leave the default in force in silence.
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
		// Kubernetes itself sets <SERVICE>_PORT… and <SERVICE>_SERVICE_… for
		// a Service called kube-aws-iam or kube-aws-iam-….
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
