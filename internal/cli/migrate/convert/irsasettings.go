package convert

import (
	"strconv"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// irsaAudience is the audience of tokens for STS, which is the one without an annotation.
const irsaAudience = "sts.amazonaws.com"

// An irsaSetting is an annotation by which IRSA does something besides giving
// credentials, or gives them in another way, and that has no counterpart.
type irsaSetting struct {
	annotation string
	// usual reports whether losing a value changes nothing. If it is nil, losing any value
	// changes something.
	usual func(value string) bool
	// why says what becomes of it.
	why string
}

var irsaSettings = []irsaSetting{
	{
		api.IRSAAudienceAnnotation, func(value string) bool { return value == irsaAudience },
		"has no counterpart: pods are given credentials, and no token. If a program uses the token, mount one with that audience by a projected volume",
	},
	{
		api.IRSAExpirationAnnotation, nil,
		"has no counterpart: it is the lifetime of a token, which pods do not need. That of a session is " + api.SessionDurationAnnotation + ", and credentials are renewed before its end",
	},
	{
		api.IRSARegionalAnnotation, func(value string) bool {
			regional, err := strconv.ParseBool(value)
			return err != nil || regional
		},
		"has no counterpart: pods use the STS endpoint of their Region, unless a container sets AWS_STS_REGIONAL_ENDPOINTS itself",
	},
}

// irsaAnnotations are all annotations of a ServiceAccount that the webhook of IRSA reads.
// There are others with their prefix, which are not IRSA's.
var irsaAnnotations = []string{api.IRSAAnnotation, api.IRSAAudienceAnnotation, api.IRSAExpirationAnnotation, api.IRSARegionalAnnotation}

// noteIRSASettings reports the settings of IRSA that have no effect once the controller
// provides the role.
func (c *converter) noteIRSASettings(o *object) {
	for _, s := range irsaSettings {
		value, has := o.annotation(s.annotation)
		if !has || s.usual != nil && s.usual(value) {
			continue
		}
		c.note(o, manifest.At(o.node, "metadata", "annotations", s.annotation), "%s: %s %s", s.annotation, identity.Quote(value), s.why)
	}
}
