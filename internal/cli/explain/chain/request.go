package chain

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/awsiamrole"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/trust"
)

// Serving returns the controllers that serve the namespace, as far as known.
func (f *Facts) Serving() []*installation.Controller {
	var serving []*installation.Controller
	for _, c := range f.Controllers.Value {
		if c.Serves(f.Key.Namespace) {
			serving = append(serving, c)
		}
	}
	return serving
}

// controller returns the first one that serves the namespace, nil if none is known.
func (f *Facts) controller() *installation.Controller {
	if serving := f.Serving(); len(serving) > 0 {
		return serving[0]
	}
	return nil
}

// Config returns the configuration of the controller that serves the namespace.
func (f *Facts) Config() (cfg config.Config, known bool) {
	c := f.controller()
	if c == nil || c.ConfigError != nil {
		return config.Config{}, false
	}
	return c.Config, true
}

// Request returns what the ServiceAccount requests, by the controller's own parser.
func (f *Facts) Request() serviceaccount.Request {
	if f.Account.Value == nil {
		return serviceaccount.Request{}
	}
	return f.read(f.Account.Value)
}

// Requests reports whether a ServiceAccount requests an identity, however malformed.
func (f *Facts) Requests(account *metav1.PartialObjectMetadata) bool {
	return f.read(account).Desired != nil
}

func (f *Facts) read(account *metav1.PartialObjectMetadata) serviceaccount.Request {
	cfg, known := f.Config()
	how := serviceaccount.Config{
		ExternalID:  f.externalID,
		Annotations: serviceaccount.Annotations{IRSA: cfg.IRSAAnnotations.Read()},
		ClusterName: cfg.ClusterName, DefaultRegion: cfg.DefaultRegion,
		KnownBase: func() (identity.BaseRole, error) {
			return installation.Base(cfg, f.Principal, account.Annotations)
		},
	}
	if !known {
		how.SettingsUnknown = installation.ErrSettings
	}
	return serviceaccount.Read(account, how)
}

// externalID needs the name of the cluster: see specKnown.
func (f *Facts) externalID(namespace string) string {
	cfg, _ := f.Config()
	return trust.ExternalID(namespace, cfg.ClusterName)
}

// Want returns what the object requests, nil for nothing, and what is wrong with it.
func (f *Facts) Want() (*identity.Desired, error) {
	if f.Key.Source == identity.AWSIAMRole {
		if f.Role.Value == nil {
			return nil, nil //nolint:nilnil // no object is an answer, not a failure
		}
		return awsiamrole.Read(f.Role.Value, f.externalID(f.Key.Namespace))
	}
	request := f.Request()
	return request.Desired, request.Err
}

// RoleReference returns the role that is to be assumed, with its account as far as it is
// known. ok is false if nothing is requested.
func (f *Facts) RoleReference() (role identity.RoleReference, ok bool) {
	want, err := f.Want()
	if want == nil || err != nil || want.Managed != nil {
		return role, false
	}
	if base, known := f.Base(); known {
		if resolved, err := want.Role.Resolve(base); err == nil {
			return resolved, true
		}
	}
	return want.Role, true
}

// Base returns what completes the names of roles, as far as it is known: the flag,
// otherwise the account of the controller's own role, otherwise that of the credentials
// it has issued.
func (f *Facts) Base() (identity.BaseRole, bool) {
	cfg, known := f.Config()
	if known && cfg.BaseRoleARN != "" {
		base, err := identity.ParseBaseRole(cfg.BaseRoleARN)
		return base, err == nil
	}
	role, err := identity.ParseRole(f.Principal)
	if err != nil {
		have, _ := f.issuedState()
		if role, err = identity.ParseRole(have.RoleARN); role.Name != f.desired().Role.Name {
			return identity.BaseRole{}, false
		}
	}
	return identity.BaseRole{Partition: role.Partition, Account: role.Account}, known && err == nil && role.Resolved()
}

func isServiceAccount(f *Facts) bool { return f.Key.Source == identity.ServiceAccount }
func isAWSIAMRole(f *Facts) bool     { return f.Key.Source == identity.AWSIAMRole }

// asksForSomething is also true for a malformed request.
func asksForSomething(f *Facts) bool {
	want, _ := f.Want()
	return want != nil
}

func isUnderstood(f *Facts) bool {
	want, err := f.Want()
	return want != nil && err == nil
}

func wantsManagedRole(f *Facts) bool {
	want, err := f.Want()
	return want != nil && err == nil && want.Managed != nil
}

func wantsExistingRole(f *Facts) bool { return isUnderstood(f) && !wantsManagedRole(f) }

// explainsIdentity reports whether no pod is explained, but what pods use.
func explainsIdentity(f *Facts) bool { return f.PodName == "" }

func hasPod(f *Facts) bool { return f.Pod.Value != nil }
