package installation

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// versionLabel is where the chart has the version on its objects.
const versionLabel = "app.kubernetes.io/version"

// Version returns which version the controller is of: the tag of its image or, where that
// is a digest or names no version, what the chart says. It is "" if neither is known.
func (c *Controller) Version() string { return VersionOf(c.Image, c.Deployment.Labels[versionLabel]) }

// VersionOf returns the version that an image is tagged with, else that of a label, else "".
func VersionOf(image, label string) string {
	for _, text := range []string{tagOf(image), label} {
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

// Skewed reports whether two versions are known and of different minor versions.
func Skewed(a, b string) bool {
	first, err := version.ParseSemantic(a)
	if err != nil {
		return false
	}
	second, err := version.ParseSemantic(b)
	return err == nil && (first.Major() != second.Major() || first.Minor() != second.Minor())
}

// warnOfSkew says once of each controller that it is of another minor version than the
// plugin.
func (f *Finder) warnOfSkew(c *Controller) {
	if f.warned[c.Name()] || !Skewed(f.plugin, c.Version()) {
		return
	}
	f.warned[c.Name()] = true
	fmt.Fprintf(f.warnings, "warning: kubectl aws-iam is %s and the controller %s is %s: they may not know the same settings and annotations. "+
		"Use the plugin of the controller's version.\n", f.plugin, c.Name(), c.Version())
}
