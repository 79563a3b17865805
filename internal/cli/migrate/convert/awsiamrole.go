package convert

import (
	"maps"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// wiredRole returns the request of pods that mount the Secret of an AWSIAMRole by hand.
// They cannot have both: admission skips pods with such a mount.
func (c *converter) wiredRole(w *workload) *request {
	var all []*request
	for volume := range manifest.Items(w.pod, "volumes") {
		found := c.wiredVolume(w, volume)
		if found == nil {
			continue
		}
		if len(all) > 0 && !all[0].same(found) {
			c.open(w.object, volume, "it mounts the Secrets of several AWSIAMRoles, and a ServiceAccount has one role: split the pod, or use one role")
			return nil
		}
		all = append(all, found)
	}
	all = slices.DeleteFunc(all, func(r *request) bool {
		mounts := func(container *node) bool { return len(mountsOf(container, manifest.String(r.node, "name"))) > 0 }
		return c.isReadByPath(w, r.node) || c.isLeftOut(w, mounts, byHand)
	})
	if len(all) == 0 {
		return nil
	}
	return merge(all)
}

func (c *converter) wiredVolume(w *workload, volume *node) *request {
	secret, name := secretOf(volume), manifest.String(volume, "name")
	if secret == nil || name == "" || strings.HasSuffix(secret.name, api.SecretSuffix) {
		return nil
	}
	role := c.roles[key{w.namespace, secret.name}]
	if role == nil {
		if used := fileVariable(w, name); used != nil {
			c.open(w.object, used, "its credentials are in the Secret %s: give the AWSIAMRole of that name as well", secret.name)
		}
		return nil
	}
	c.explained[secret.at] = true
	wants := c.roleRequest(w, role, volume)
	if wants == nil {
		return nil
	}
	wants.remove = func() {
		c.unwire(w, wiring{
			isVariable: func(container, v *node) bool {
				return isFileVariable(v) && volumeAt(container, manifest.String(v, "value")) == name
			},
			volumes: []string{name},
		})
		c.result.Roles = append(c.result.Roles, role.key.String())
	}
	return wants
}

// roleRequest returns what an AWSIAMRole asks for, nil if that is not known.
func (c *converter) roleRequest(w *workload, role *object, volume *node) *request {
	for _, again := range c.rolesAgain[role.key] {
		if !sameSpec(role, again) {
			c.open(w.object, volume, "the AWSIAMRole %s stands twice, and asks for different roles (%s and %s): convert the files of each cluster or environment by themselves",
				role.key, role.at(), again.at())
			return nil
		}
	}
	if wrong := role.misnamed(); wrong != nil {
		c.leave(role, wrong)
		return nil
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
	if wants.sessionPolicy, err = role.specPolicy(); err != nil {
		c.open(role, manifest.At(role.node, "spec", "sessionPolicy"), "spec.sessionPolicy: %v", err)
		return nil
	}
	return wants
}

// A Served is an AWSIAMRole and its role.
type Served struct {
	Namespace, Name string
	Role            identity.RoleReference
}

// served resolves the roles of all AWSIAMRoles. Problems with those that pods use were
// reported when they were read; the others do not matter here.
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
	policy, err := a.specPolicy()
	other, otherErr := b.specPolicy()
	return manifest.String(a.node, "spec", "roleReference") == manifest.String(b.node, "spec", "roleReference") &&
		manifest.String(a.node, "spec", "roleSessionDuration") == manifest.String(b.node, "spec", "roleSessionDuration") &&
		policy == other && (err == nil) == (otherErr == nil)
}
