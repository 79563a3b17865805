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
		switch {
		case !c.RemoveOld:
		case c.isKept(o):
			c.open(o, at, "it keeps %s, because its document cannot be changed: remove that by hand", api.IRSAAnnotation)
		default:
			o.doc.Remove(metadata, "annotations", irsaAnnotations...)
		}
	}
	return wants
}
