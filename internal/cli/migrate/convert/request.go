package convert

import (
	"errors"
	"fmt"
	"time"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// A System is what gave pods their credentials before.
type System string

// The systems that are recognized.
const (
	Annotation  System = "kube2iam or kiam"
	IRSA        System = "IRSA"
	PodIdentity System = "EKS Pod Identity"
	AWSIAMRole  System = "AWSIAMRole"
)

// A request is what pods or a ServiceAccount ask for.
type request struct {
	system System
	// value is the role as it was written.
	value string
	role  identity.RoleReference
	// session is 0 if the system has no such setting.
	session time.Duration
	// sessionPolicy limits what sessions may do, "" for no limit.
	sessionPolicy string
	// node is where it stands.
	node *node
	// contested reports that pods which use it are told to use another one as well, or
	// would have none without it.
	contested bool
	// beside is what another system gives a ServiceAccount that has the controller's
	// annotation, nil for nothing.
	beside *request
	// remove removes what the pods no longer need, as far as that is requested.
	remove func()
}

// newRequest parses a role. The error names the value and the remedy.
func (c *converter) newRequest(system System, value string, at *node) (*request, error) {
	role, err := identity.ReadRole(value)
	if err != nil {
		return nil, err
	}
	if err = checkPath(role); err != nil {
		return nil, err
	}
	if c.Base != nil {
		if role, err = role.Resolve(*c.Base); err != nil {
			return nil, err
		}
	}
	return &request{system: system, value: value, role: role, node: at, remove: func() {}}, nil
}

// parseOwn parses what a ServiceAccount requests by the controller's own annotation.
func (c *converter) parseOwn(o *object, value string) (*request, error) {
	role, err := c.variables(o).Expand(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", api.RoleAnnotation, err)
	}
	own, err := c.newRequest(owned, role, manifest.At(o.node, "metadata", "annotations", api.RoleAnnotation))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", api.RoleAnnotation, err)
	}
	own.session = c.ownSession(o)
	if own.sessionPolicy, err = c.ownPolicy(o); err != nil {
		return nil, err
	}
	return own, nil
}

// errUntold is why the value of a variable is not known.
var errUntold = errors.New("give --cluster-name and --base-role-arn, or write the value out")

// variables are those in the annotations of a ServiceAccount.
func (c *converter) variables(o *object) identity.Variables {
	region, has := o.annotation(api.RegionAnnotation)
	if region, _ = identity.ParseRegion(region); !has { // whoever reads it says what is wrong with it
		region = c.DefaultRegion
	}
	return identity.Variables{
		Namespace: o.namespace, ServiceAccount: o.name, Cluster: c.ClusterName, Region: region, Unknown: errUntold,
		Base: func() (identity.BaseRole, error) {
			if c.Base == nil {
				return identity.BaseRole{}, errUntold
			}
			return *c.Base, nil
		},
	}
}

// same reports whether two requests can be served by one ServiceAccount.
func (r *request) same(other *request) bool {
	return other != nil && r.role == other.role && r.sessionPolicy == other.sessionPolicy &&
		(r.session == 0 || other.session == 0 || r.session == other.session)
}

// written returns the role as an annotation has it: as it was given, without what
// parsing strips. What the other system took literally is not a variable.
func (r *request) written() string {
	if role, err := identity.ReadRole(r.value); err == nil {
		return identity.EscapeVariables(role.String())
	}
	return r.value
}
