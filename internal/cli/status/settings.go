package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
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

// reading is how the controller reads a ServiceAccount.
func (s settings) reading(object *metav1.PartialObjectMetadata) serviceaccount.Config {
	c, known := s.config(object.Namespace)
	how := serviceaccount.Config{
		ExternalID:  s.externalID,
		Annotations: serviceaccount.Annotations{IRSA: c.IRSAAnnotations.Read()},
		ClusterName: c.ClusterName, DefaultRegion: c.DefaultRegion,
		KnownBase: func() (identity.BaseRole, error) {
			return installation.Base(c, "", object.Annotations)
		},
	}
	if !known {
		how.SettingsUnknown = installation.ErrSettings
	}
	return how
}

func (s settings) refreshLimit(namespace string) time.Duration {
	c, _ := s.config(namespace)
	return c.RefreshLimit
}
