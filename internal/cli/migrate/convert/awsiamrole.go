package convert

import (
	"maps"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// fileVariables point SDKs to files with credentials:
// https://docs.aws.amazon.com/sdkref/latest/guide/file-location.html.
var fileVariables = []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_PROFILES_FILE", "AWS_CONFIG_FILE"}

// wiredRole returns what pods request that mount the Secret of an AWSIAMRole by hand.
// They cannot have both: admission leaves a pod alone that has such a mount.
func (c *converter) wiredRole(w *workload) *request {
	var wants *request
	for volume := range manifest.Items(w.pod, "volumes") {
		found := c.wiredVolume(w, volume)
		if found == nil {
			continue
		}
		if wants != nil && !wants.same(found) {
			c.open(w.object, volume, "it mounts the Secrets of several AWSIAMRoles, and a ServiceAccount has one role: split the pod, or use one role")
			return nil
		}
		wants = found
	}
	return wants
}

func (c *converter) wiredVolume(w *workload, volume *node) *request {
	secret := manifest.String(volume, "secret", "secretName")
	name := manifest.String(volume, "name")
	if secret == "" || strings.HasSuffix(secret, api.SecretSuffix) {
		return nil
	}
	role := c.roles[key{w.namespace, secret}]
	if role == nil {
		if used := fileVariable(w, name); used != nil {
			c.open(w.object, used, "its credentials are in the Secret %s: give the AWSIAMRole of that name as well", secret)
		}
		return nil
	}
	for _, again := range c.rolesAgain[role.key] {
		if !sameSpec(role, again) {
			c.open(w.object, volume, "the AWSIAMRole %s stands twice, and asks for different roles (%s and %s): convert the files of each cluster or environment by themselves",
				role.key, role.at(), again.at())
			return nil
		}
	}
	wants, err := c.newRequest(AWSIAMRole, manifest.String(role.node, "spec", "roleReference"), volume)
	if err != nil {
		c.open(role, nil, "spec.roleReference: %v", err)
		return nil
	}
	wants.session = identity.DefaultSession
	if seconds := manifest.String(role.node, "spec", "roleSessionDuration"); seconds != "" {
		if wants.session, err = identity.ParseSessionDuration(seconds); err != nil {
			c.open(role, nil, "spec.roleSessionDuration: %v", err)
			return nil
		}
	}
	wants.remove = func() {
		c.unwire(w, wiring{variables: fileVariables, under: mounts(w, name), isVolume: func(v *node) bool { return manifest.String(v, "name") == name }})
		c.result.Roles = append(c.result.Roles, role.key.String())
	}
	return wants
}

// A Served is an AWSIAMRole and its role.
type Served struct {
	Namespace, Name string
	Role            identity.RoleReference
}

// served finds the roles of all AWSIAMRoles. What is wrong with one that pods use was said
// when they were read; others concern nobody here.
func (c *converter) served() {
	for _, k := range slices.SortedFunc(maps.Keys(c.roles), compareKeys) {
		for _, o := range append([]*object{c.roles[k]}, c.rolesAgain[k]...) {
			if has, err := c.newRequest(AWSIAMRole, manifest.String(o.node, "spec", "roleReference"), o.node); err == nil {
				c.result.Served = append(c.result.Served, Served{Namespace: k.namespace, Name: k.name, Role: has.role})
			}
		}
	}
}

// sameSpec reports whether two AWSIAMRoles ask for the same.
func sameSpec(a, b *object) bool {
	return manifest.String(a.node, "spec", "roleReference") == manifest.String(b.node, "spec", "roleReference") &&
		manifest.String(a.node, "spec", "roleSessionDuration") == manifest.String(b.node, "spec", "roleSessionDuration")
}

// fileVariable returns a variable that points into a volume, nil if there is none.
func fileVariable(w *workload, volume string) *node {
	for _, name := range fileVariables {
		if v := variable(w, name); v != nil && mountedFor(w, volume, manifest.String(v, "value")) {
			return v
		}
	}
	return nil
}
