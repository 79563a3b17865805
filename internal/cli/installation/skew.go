package installation

import (
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// versionLabel is where the chart has the version on its objects.
const versionLabel = "app.kubernetes.io/version"

// Version returns which version the controller is of: the tag of its image or, where that
// is a digest or names no version, what the chart says. It is "" if neither is known.
func (c *Controller) Version() string {
	for _, text := range []string{tagOf(c.Image), c.Deployment.Labels[versionLabel]} {
		if _, err := version.ParseSemantic(text); err == nil {
			return text
		}
	}
	return ""
}

// tagOf returns the tag of an image, "" for none.
func tagOf(image string) string {
	name, _, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], "@")
	_, tag, _ := strings.Cut(name, ":")
	return tag
}

// Skew returns what to say of a plugin and a controller of different minor versions, ""
// if they are of the same one, or either is not known.
func (c *Controller) Skew(plugin string) string {
	ours, err := version.ParseSemantic(plugin)
	if err != nil {
		return ""
	}
	theirs, err := version.ParseSemantic(c.Version())
	if err != nil || ours.Major() == theirs.Major() && ours.Minor() == theirs.Minor() {
		return ""
	}
	return fmt.Sprintf(
		"kubectl aws-iam is %s and the controller %s is %s: they may not know the same settings and annotations. Use the plugin of version %d.%d.",
		plugin, c.Name(), c.Version(), theirs.Major(), theirs.Minor())
}

// WarnOfSkew writes a line for each controller of another minor version than the plugin.
func WarnOfSkew(out io.Writer, plugin string, controllers []*Controller) {
	for _, c := range controllers {
		if skew := c.Skew(plugin); skew != "" {
			fmt.Fprintln(out, "warning:", skew)
		}
	}
}
