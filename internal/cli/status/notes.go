package status

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"kube-aws-iam-controller/internal/cli/installation"
)

// unseenNotes say what could not be listed.
func unseenNotes(hidden unseen, namespace string) (notes []string) {
	for _, kind := range slices.Sorted(maps.Keys(hidden)) {
		consequence := map[string]string{
			accountsKind: "identities of ServiceAccounts are not shown",
			rolesKind:    "identities of AWSIAMRoles are not shown",
			secretsKind:  "whether and until when credentials were issued is not known, except from the status of AWSIAMRoles",
			eventsKind:   "the last error is not shown",
		}[kind]
		notes = append(notes, fmt.Sprintf("you may not list %s %s, so %s: ask for a role that allows it, see docs/kubectl-plugin.md",
			kind, where(namespace), consequence))
	}
	return notes
}

func where(namespace string) string {
	if namespace == "" {
		return "in all namespaces"
	}
	return "in the namespace " + namespace
}

// emptyNote says what to do where there are no identities.
func emptyNote(s scope, installed installation.Found, missing bool) string {
	if missing {
		return fmt.Sprintf("there is no namespace %s: kubectl get namespaces", s.namespace)
	}
	text := "no ServiceAccount or AWSIAMRole " + where(s.namespace)
	if s.selector != "" {
		text += " with the labels " + s.selector
	}
	text += " requests an AWS identity"
	switch {
	case installed.Hidden == nil && len(installed.Controllers) == 0:
		return text + ", and no controller is installed: see kubectl aws-iam check --pre"
	case s.namespace != "":
		return fmt.Sprintf("%s: annotate one with kubectl annotate serviceaccount NAME --namespace %s iam.amazonaws.com/role=ROLE, or see those of all namespaces with --all-namespaces",
			text, s.namespace)
	}
	return text + ": annotate one with kubectl annotate serviceaccount NAME --namespace NAMESPACE iam.amazonaws.com/role=ROLE"
}

// seedNotes say which controllers are about to lose, or have lost, the credentials that
// they renew themselves. No other identity is renewed then.
func seedNotes(installed []*installation.Controller, all []Identity, now time.Time) (notes []string) {
	for _, c := range installed {
		secret := seedSecret(c)
		for i := range all {
			seed := &all[i]
			if secret == "" || seed.Namespace != c.Deployment.Namespace || seed.Secret != secret || seed.State == Ready {
				continue
			}
			notes = append(notes, fmt.Sprintf("the controller %s runs on credentials of its own making, %s/%s, which are %s (%s): without them it renews nothing; write new ones with kubectl aws-iam bootstrap",
				c.Name(), seed.Namespace, seed.object(), seed.State, cmp.Or(timeLeft(seed.Expiration, now), "none issued")))
		}
	}
	return notes
}

// seedSecret returns the Secret from which a controller reads its own credentials, "" if
// it reads none.
func seedSecret(c *installation.Controller) string {
	if c.ConfigError != nil || c.Config.CredentialsFile == "" {
		return ""
	}
	for _, mount := range c.Container.VolumeMounts {
		if !strings.HasPrefix(c.Config.CredentialsFile, path.Clean(mount.MountPath)+"/") {
			continue
		}
		for _, volume := range c.Deployment.Spec.Template.Spec.Volumes {
			if volume.Name == mount.Name && volume.Secret != nil {
				return volume.Secret.SecretName
			}
		}
	}
	return ""
}
