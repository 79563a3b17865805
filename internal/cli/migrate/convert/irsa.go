package convert

import (
	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// irsaAccount returns what the annotations of IRSA on a ServiceAccount request.
func (c *converter) irsaAccount(o *object) *request {
	metadata := manifest.At(o.node, "metadata")
	annotations := manifest.At(metadata, "annotations")
	at := manifest.At(annotations, api.IRSAAnnotation)
	if at == nil {
		return nil
	}
	c.claim(annotations, api.IRSAAnnotation)
	wants, err := c.newRequest(IRSA, at.Value, at)
	if err != nil {
		c.open(o, at, "%s: %v", api.IRSAAnnotation, err)
		return nil
	}
	c.noteIRSASettings(o)
	wants.remove = func() {
		if c.RemoveOld {
			o.doc.Remove(metadata, "annotations", irsaAnnotations...)
		}
	}
	return wants
}

// Variables by which SDKs find a web identity token:
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html.
const (
	webIdentityRole  = "AWS_ROLE_ARN"
	webIdentityToken = "AWS_WEB_IDENTITY_TOKEN_FILE"
)

// wiredWebIdentity returns what pods request that mount a token for IRSA by hand.
func (c *converter) wiredWebIdentity(w *workload) *request {
	role := variable(w, webIdentityRole)
	token := variable(w, webIdentityToken)
	if role == nil || token == nil {
		return nil
	}
	if manifest.String(role, "value") == "" {
		c.open(w.object, role, "%s has no value of its own: give the role to the ServiceAccount in %s", webIdentityRole, api.RoleAnnotation)
		return nil
	}
	wants, err := c.newRequest(IRSA, manifest.String(role, "value"), role)
	if err != nil {
		c.open(w.object, role, "%s: %v", webIdentityRole, err)
		return nil
	}
	if c.RemoveOld {
		wants.remove = func() { c.unwireToken(w, manifest.String(token, "value")) }
	} else {
		c.note(w.object, token, "most SDKs prefer %s to what the controller gives: the pods change over once it is removed, with --remove-old", webIdentityToken)
	}
	return wants
}

// unwireToken removes the token, its variables and its volume.
func (c *converter) unwireToken(w *workload, file string) {
	c.unwire(w, wiring{
		variables: []string{webIdentityRole, webIdentityToken, "AWS_ROLE_SESSION_NAME"},
		isVolume: func(volume *node) bool {
			for source := range manifest.Items(volume, "projected", "sources") {
				if manifest.At(source, "serviceAccountToken") != nil {
					return mountedFor(w, manifest.String(volume, "name"), file)
				}
			}
			return false
		},
	})
}
