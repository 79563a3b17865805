package convert

import (
	"slices"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// Variables by which SDKs find a web identity token:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html.
const (
	webIdentityRole    = "AWS_ROLE_ARN"
	webIdentityToken   = "AWS_WEB_IDENTITY_TOKEN_FILE"
	webIdentitySession = "AWS_ROLE_SESSION_NAME"
)

// wiredWebIdentity returns the request of pods that mount a token for IRSA by hand.
// SDKs read the variables of their container, so each can have its own role.
func (c *converter) wiredWebIdentity(w *workload) *request {
	var wants *request
	var first *node
	for _, container := range w.containers() {
		token := variable(container, webIdentityToken)
		if token == nil {
			continue
		}
		found := c.webIdentity(w, token, variable(container, webIdentityRole))
		if found == nil {
			return nil
		}
		if wants != nil && found.role != wants.role {
			c.open(w.object, found.node, "its containers have different roles by %s, %s and %s, and a ServiceAccount has one: split the pod, or use one role",
				webIdentityRole, wants.role, found.role)
			return nil
		}
		if wants == nil {
			wants, first = found, token
		}
	}
	switch {
	case wants == nil:
	case c.RemoveOld && c.isLeftOut(w, func(container *node) bool { return variable(container, webIdentityToken) != nil }, byHand):
	case c.RemoveOld:
		wants.remove = func() { c.unwireToken(w) }
	default:
		c.note(w.object, first, "most SDKs prefer %s to what the controller gives: the pods change over once it is removed, with --remove-old", webIdentityToken)
	}
	return wants
}

// webIdentity returns what a container requests by its variables, nil if that is not
// known.
func (c *converter) webIdentity(w *workload, token, role *node) *request {
	switch {
	case role == nil:
		c.open(w.object, token, "%s stands without %s in the env of its container: give the role to the ServiceAccount in %s, and remove the variable", webIdentityToken, webIdentityRole, api.RoleAnnotation)
		return nil
	case manifest.String(role, "value") == "":
		c.open(w.object, role, "%s has no value of its own: give the role to the ServiceAccount in %s", webIdentityRole, api.RoleAnnotation)
		return nil
	}
	wants, err := c.newRequest(IRSA, manifest.String(role, "value"), role)
	if err != nil {
		c.open(w.object, role, "%s: %v", webIdentityRole, err)
		return nil
	}
	return wants
}

// isWebIdentity reports whether a variable is one that gives a container a role for a
// token. A role alone is for the program, or for an unknown token.
func isWebIdentity(container, v *node) bool {
	return variable(container, webIdentityToken) != nil &&
		slices.Contains([]string{webIdentityRole, webIdentityToken, webIdentitySession}, manifest.String(v, "name"))
}

// unwireToken removes the tokens, their variables, and volumes that have nothing else.
func (c *converter) unwireToken(w *workload) {
	var empty []string
	for volume := range manifest.Items(w.pod, "volumes") {
		if c.dropToken(w, volume) {
			empty = append(empty, manifest.String(volume, "name"))
		}
	}
	c.unwire(w, wiring{isVariable: isWebIdentity, volumes: empty})
}
