package convert

import (
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// checkInjection notes which pods with a role admission will skip because of a label.
// What served them before did not know that label.
func (c *converter) checkInjection() {
	served := map[key]bool{}
	for _, account := range c.result.Accounts {
		served[key{account.Namespace, account.Name}] = true
	}
	for _, w := range c.workloads {
		label := w.disabled()
		if label == nil || !served[w.account] || w.mountsOurs() {
			continue
		}
		c.note(w.object, label, "its pods have the label %s: %q, so that they are given no credentials: remove it, or mount the Secret %s%s by hand",
			api.InjectLabel, api.InjectDisabled, w.account.name, api.SecretSuffix)
	}
}

// mountsOurs reports whether the pods mount a Secret of the controller by hand, beside
// which the label is right.
func (w *workload) mountsOurs() bool {
	for volume := range manifest.Items(w.pod, "volumes") {
		if strings.HasSuffix(manifest.String(volume, "secret", "secretName"), api.SecretSuffix) {
			return true
		}
	}
	return false
}
