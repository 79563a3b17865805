package status

import (
	"time"

	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/trust"
)

// settings are those of the controllers that are installed.
type settings struct {
	installed []*installation.Controller
	// defaults are the settings of a controller that is not known.
	defaults config.Config
}

func newSettings(installed []*installation.Controller) (settings, error) {
	defaults, err := config.ParseInstalled(nil, nil)
	return settings{installed: installed, defaults: defaults}, err
}

// config returns the configuration of the controller that serves a namespace, and whether
// it is known.
func (s settings) config(namespace string) (config.Config, bool) {
	for _, c := range s.installed {
		if c.ConfigError == nil && c.Serves(namespace) {
			return c.Config, true
		}
	}
	return s.defaults, false
}

func (s settings) known(namespace string) bool {
	_, known := s.config(namespace)
	return known
}

func (s settings) externalID(namespace string) string {
	c, known := s.config(namespace)
	if !known {
		return ""
	}
	return trust.ExternalID(namespace, c.ClusterName)
}

// annotations says which annotations of ServiceAccounts the controller reads.
func (s settings) annotations(namespace string) serviceaccount.Annotations {
	c, _ := s.config(namespace)
	return serviceaccount.Annotations{IRSA: c.IRSAAnnotations.Read()}
}

func (s settings) refreshLimit(namespace string) time.Duration {
	c, _ := s.config(namespace)
	return c.RefreshLimit
}
