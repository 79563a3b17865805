package convert

import (
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// An Association is one of EKS Pod Identity.
type Association struct {
	Cluster, ID               string
	Namespace, ServiceAccount string
	// SessionTags reports that sessions carry the tags of EKS Pod Identity.
	SessionTags bool
}

// associations reads what "aws eks describe-pod-identity-association" and
// "list-pod-identity-associations" print, and arrays of that, as jq writes them. It reports
// whether a document is that:
// https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html.
func (c *converter) associations(doc *manifest.Document) bool {
	found := associationsIn(doc.Root)
	for _, association := range found {
		c.association(doc, association)
	}
	return len(found) > 0
}

// associationsIn returns the associations that an answer of EKS has, or several answers in
// an array.
func associationsIn(answer *node) []*node {
	if answer == nil {
		return nil
	}
	if answer.Kind == yaml.SequenceNode {
		var all []*node
		for item := range manifest.Items(answer) {
			if isAssociation(item) {
				all = append(all, item)
			} else if item.Kind == yaml.MappingNode {
				all = append(all, associationsIn(item)...)
			}
		}
		return all
	}
	if single := manifest.At(answer, "association"); isAssociation(single) {
		return []*node{single}
	}
	return slices.DeleteFunc(slices.Collect(manifest.Items(answer, "associations")), func(n *node) bool { return !isAssociation(n) })
}

// isAssociation reports whether a mapping is an association: it has an ID, or says as much
// as one that somebody has shortened.
func isAssociation(n *node) bool {
	return manifest.At(n, "associationId") != nil || manifest.String(n, "serviceAccount") != "" && manifest.String(n, "roleArn") != ""
}

func (c *converter) association(doc *manifest.Document, n *node) {
	a := Association{
		Cluster: manifest.String(n, "clusterName"), ID: manifest.String(n, "associationId"),
		Namespace: manifest.String(n, "namespace"), ServiceAccount: manifest.String(n, "serviceAccount"),
		SessionTags: manifest.String(n, "disableSessionTags") != "true",
	}
	o := &object{doc: doc, node: n, kind: "association " + a.ID + " of", key: a.key()}
	role := manifest.String(n, "roleArn")
	if target := manifest.String(n, "targetRoleArn"); target != "" {
		c.note(o, manifest.At(n, "targetRoleArn"), "the controller assumes %s itself, without %s in between: its trust policy has to trust the controller", target, role)
		role = target
	}
	if role == "" {
		c.open(o, n, "the list has no roles: give what \"aws eks describe-pod-identity-association --cluster-name %s --association-id %s\" prints", a.Cluster, a.ID)
		return
	}
	wants, err := c.newRequest(PodIdentity, role, n)
	if err != nil {
		c.open(o, n, "%v", err)
		return
	}
	if policy := manifest.String(n, "policy"); policy != "" {
		if wants.sessionPolicy, err = identity.ParseSessionPolicy(policy); err != nil {
			c.open(o, manifest.At(n, "policy"), "policy: %v", err)
			return
		}
	}
	if a.SessionTags {
		c.note(o, n, "its sessions carry tags: if policies use aws:PrincipalTag/%s and the like, run the controller with --session-tags", api.NamespaceTag)
	}
	if other := c.associated[a.key()]; other != nil && !other.same(wants) {
		c.open(o, n, "%s has several associations that differ: give one", a.key())
		return
	}
	c.associated[a.key()] = wants
	c.associatedAt[a.key()] = o
	c.result.Associations = append(c.result.Associations, a)
}

// keepAssociation says that an association is not replaced.
func (c *converter) keepAssociation(k key) {
	c.result.Associations = slices.DeleteFunc(c.result.Associations, func(a Association) bool { return a.key() == k })
}

func (a Association) key() key { return key{a.Namespace, a.ServiceAccount} }
