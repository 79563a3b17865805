package convert

import (
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// String returns the role, and what sets its sessions apart from others.
func (r *request) String() string {
	text := r.role.String()
	if r.session != 0 && r.session != identity.DefaultSession {
		text += fmt.Sprintf(" for %s", r.session)
	}
	if r.sessionPolicy != "" {
		text += " with a session policy"
	}
	return text
}

// serves reports whether pods that want the other request can run as a ServiceAccount
// with this one. Pods of a ServiceAccount with the controller's annotation already have
// its session policy, and systems without session policies cannot request one.
func (r *request) serves(wants *request) bool {
	if r != nil && r.system == owned && (wants.system == Annotation || wants.system == IRSA) {
		limited := *wants
		limited.sessionPolicy = r.sessionPolicy
		return limited.same(r)
	}
	return wants.same(r)
}

// adoptSession gives the request of a ServiceAccount by a system without session
// durations the duration that its pods request.
func (r *request) adoptSession(users []*workload) {
	for _, w := range users {
		if r != nil && r.session == 0 && w.wants != nil && w.wants.same(r) {
			r.session = w.wants.session
		}
	}
}

// specPolicy returns the session policy of an AWSIAMRole as compact JSON, "" for none. It
// has no variables.
func (o *object) specPolicy() (string, error) {
	at := manifest.At(o.node, "spec", "sessionPolicy")
	switch {
	case at != nil && at.Kind != yaml.ScalarNode:
		return "", errors.New("it is no text: write the policy as JSON in quotes, or behind |")
	case manifest.String(at) == "":
		return "", nil
	}
	return identity.ParseSessionPolicy(manifest.String(at))
}

// ownSession is the session duration that a ServiceAccount is annotated with.
func (c *converter) ownSession(o *object) time.Duration {
	value := manifest.String(o.node, "metadata", "annotations", api.SessionDurationAnnotation)
	if value == "" {
		return identity.DefaultSession
	}
	d, err := identity.ParseSessionDuration(value)
	if err != nil {
		c.open(o, nil, "%s: %v", api.SessionDurationAnnotation, err)
	}
	return d
}

// ownPolicy is the session policy that a ServiceAccount is annotated with, "" for none.
func (c *converter) ownPolicy(o *object) (policy string, err error) {
	value, has := o.annotation(api.SessionPolicyAnnotation)
	if !has {
		return "", nil
	}
	if policy, err = c.variables(o).ExpandPolicy(value); err == nil {
		policy, err = identity.ParseSessionPolicy(policy)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", api.SessionPolicyAnnotation, err)
	}
	return policy, nil
}

// otherLimit returns an annotation of a ServiceAccount without a role that would give
// its pods other sessions than they request, "" for none. Systems without such settings
// request none.
func (c *converter) otherLimit(o *object, has *request) string {
	_, limited := o.annotation(api.SessionPolicyAnnotation)
	policy, err := c.ownPolicy(o)
	if limited && (has.system == AWSIAMRole || has.system == PodIdentity) && (err != nil || policy != has.sessionPolicy) {
		return api.SessionPolicyAnnotation
	}
	_, timed := o.annotation(api.SessionDurationAnnotation)
	if timed && has.session != 0 && c.ownSession(o) != has.session {
		return api.SessionDurationAnnotation
	}
	return ""
}
