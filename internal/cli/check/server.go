package check

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
)

// Versions of Kubernetes: the oldest one that is supported, see docs/install.md, and the
// first with admission by policy.
var (
	oldest     = version.MajorMinor(1, 30)
	withPolicy = version.MajorMinor(1, 36)
)

func checkServer(f *facts) []finding.Finding {
	const check = "server"
	if f.serverVersion.err != nil {
		return unseen(check, "read the version of the API server", f.serverVersion.err)
	}
	v, err := version.ParseGeneric(f.serverVersion.value)
	switch {
	case err != nil:
		return warning(check, fmt.Sprintf("the API server has the version %q, which is not understood", f.serverVersion.value), "")
	case v.LessThan(oldest):
		return broken(check, fmt.Sprintf("Kubernetes %s is too old", f.serverVersion.value), "upgrade the cluster to 1.30 or later")
	case v.LessThan(withPolicy):
		return ok(check, "Kubernetes %s: use the component webhook for admission", f.serverVersion.value)
	}
	return ok(check, "Kubernetes %s: use the component admission-policy for admission", f.serverVersion.value)
}

// maxSkew is how far clocks may differ. STS rejects signatures that are off by more than
// five minutes: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html.
const maxSkew = time.Minute

func checkClock(f *facts) []finding.Finding {
	const check = "clock"
	if f.now.IsZero() {
		return unseen(check, "read the time of the API server", fmt.Errorf("its answers have no Date"))
	}
	// Date has whole seconds.
	switch skew := f.local.Sub(f.now).Truncate(time.Second); {
	case skew.Abs() <= maxSkew:
		return ok(check, "this machine and the API server agree on the time")
	case skew > 0:
		return warning(check, fmt.Sprintf("this machine is %s ahead of the API server", skew), "synchronize the clocks: AWS rejects requests that are off by five minutes")
	default:
		return warning(check, fmt.Sprintf("this machine is %s behind the API server", -skew), "synchronize the clocks: AWS rejects requests that are off by five minutes")
	}
}

func checkVersion(f *facts) []finding.Finding {
	const check = "version"
	image, theirs := f.image(), f.controllerVersion()
	switch {
	case image == "":
		return nil // checkController says why
	case theirs == "" || !isVersion(f.plugin):
		return ok(check, "the controller runs the image %s, this plugin has the version %s: they are not compared", image, f.plugin)
	case installation.Skewed(f.plugin, theirs):
		return warning(check, fmt.Sprintf("the controller has the version %s, this plugin %s", theirs, f.plugin), "use the plugin of the controller's version: what another one checks may not apply")
	}
	return ok(check, "the controller has the version %s, this plugin %s", theirs, f.plugin)
}

// controllerVersion returns the version of the controller, "" if it is not known.
func (f *facts) controllerVersion() string {
	if c := f.controller(); c != nil {
		return c.Version()
	}
	return installation.VersionOf(f.image(), "")
}

func isVersion(text string) bool {
	_, err := version.ParseSemantic(text)
	return err == nil
}
