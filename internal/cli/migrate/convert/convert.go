package convert

import (
	"slices"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// Options configure a conversion.
type Options struct {
	// Namespace is that of objects that name none.
	Namespace string
	// RemoveOld also removes what the pods had before. What cannot stand beside the
	// credentials of the controller is removed in any case.
	RemoveOld bool
	// Region is given to converted ServiceAccounts, "" for none.
	Region string
	// Regexp says that kube2iam runs with --namespace-restriction-format=regexp.
	Regexp bool
	// Base completes names of roles, nil if it is not known.
	Base *identity.BaseRole
	// ClusterName and DefaultRegion are values of variables in annotations of the
	// controller, "" if they are not known.
	ClusterName, DefaultRegion string
	// Templates are further kinds with a pod template.
	Templates []PodTemplate
	// Uses are the ServiceAccounts used by pods that are not among the manifests.
	Uses []Use
}

// A Result is what a conversion did besides changing documents.
type Result struct {
	// Accounts are the ServiceAccounts that got a role, ordered by namespace and name.
	Accounts []*Account
	// Associations are those of EKS Pod Identity that are replaced, Roles the
	// AWSIAMRoles, as namespace/name.
	Associations []Association
	Roles        []string
	// Served are the roles of the AWSIAMRoles that were read, which have sessions of their
	// own as long as they exist.
	Served []Served
	// Findings are in the order of the documents.
	Findings []Finding
	// Files are the files that were read, and new ones.
	Files []*manifest.File
}

type converter struct {
	Options

	files  []*manifest.File
	result *Result
	// objects are all that were read.
	objects   []*object
	workloads []*workload
	// accounts, roles, namespaces and bindings are the objects of these kinds. Of those that
	// stand several times, the first is in accounts and roles, and the others are in again
	// and rolesAgain.
	accounts, roles      map[key]*object
	again, rolesAgain    map[key][]*object
	namespaces, bindings []*object
	// associated are the roles of associations.
	associated   map[key]*request
	associatedAt map[key]*object
	// claimed are keys of mappings that were understood, explained names of Secrets whose
	// use is converted, or a finding says why not.
	claimed, explained map[*node]bool
	// unknown are uses of ServiceAccounts by objects of kinds that are not known.
	unknown map[key][]unknownUse
	skipped map[*manifest.Document]bool
	// kept are documents that stay as they are, because changes of them cannot be written.
	kept map[*manifest.Document]error
}

// Convert changes the documents and reports what it did. If the changes of a document
// cannot be written, it starts over without them, because other changes may depend on
// them.
func Convert(files []*manifest.File, options Options) (*Result, error) {
	kept := map[*manifest.Document]error{}
	for {
		c := newConverter(files, options, kept)
		if err := c.convert(); err != nil {
			return nil, err
		}
		if !c.findKept() {
			c.finish()
			return c.result, nil
		}
		for _, file := range files {
			file.Reset()
		}
	}
}

func newConverter(files []*manifest.File, options Options, kept map[*manifest.Document]error) *converter {
	return &converter{
		Options: options, files: slices.Clone(files), result: &Result{}, kept: kept,
		accounts: map[key]*object{}, roles: map[key]*object{}, again: map[key][]*object{}, rolesAgain: map[key][]*object{},
		associated: map[key]*request{}, associatedAt: map[key]*object{},
		claimed: map[*node]bool{}, explained: map[*node]bool{}, unknown: map[key][]unknownUse{}, skipped: map[*manifest.Document]bool{},
	}
}

// convert changes the documents in memory.
func (c *converter) convert() error {
	c.read()
	c.request()
	if err := c.assign(); err != nil {
		return err
	}
	c.keepUsed()
	c.served()
	c.unreadUses()
	c.checkNamespaces()
	c.checkInjection()
	c.leftovers()
	return nil
}

// read finds the objects of all documents.
func (c *converter) read() {
	for _, file := range c.files {
		for _, doc := range file.Documents {
			if doc.Err != nil {
				c.unread(doc)
				continue
			}
			is := c.associations(doc)
			c.array(doc)
			if is {
				doc.Omit()
				c.skipped[doc] = true
				continue
			}
			for _, o := range objects(doc, c.Namespace) {
				c.objects = append(c.objects, o)
				c.sort(o)
			}
		}
	}
}

// sort puts an object where it is looked for.
func (c *converter) sort(o *object) {
	switch {
	case o.is("", api.ServiceAccountKind):
		c.remember(c.accounts, c.again, o)
		for _, name := range accountAnnotations {
			c.claim(manifest.At(o.node, "metadata", "annotations"), name)
		}
	case o.is("", "Namespace"):
		c.namespaces = append(c.namespaces, o)
	case o.isAWSIAMRole():
		c.remember(c.roles, c.rolesAgain, o)
	case o.is(rbacGroup, "RoleBinding"), o.is(rbacGroup, "ClusterRoleBinding"):
		c.bindings = append(c.bindings, o)
	default:
		if w := c.workload(o); w != nil {
			c.workloads = append(c.workloads, w)
		} else {
			c.usesUnknown(o)
		}
	}
}

// remember keeps an object of a key, or that there is one more of it.
func (c *converter) remember(first map[key]*object, again map[key][]*object, o *object) {
	before := first[o.key]
	if before == nil {
		first[o.key] = o
		return
	}
	c.note(o, nil, "it stands at %s as well: if the two are of different clusters or environments, convert each by itself", before.at())
	if asks(o) && !asks(before) {
		first[o.key], o = o, before
	}
	again[o.key] = append(again[o.key], o)
}

// asks reports whether a ServiceAccount asks for a role itself.
func asks(o *object) bool {
	_, own := o.annotation(api.RoleAnnotation)
	_, irsa := o.annotation(api.IRSAAnnotation)
	return own || irsa
}

// accountAnnotations are ours on ServiceAccounts, of those that leftovers looks for.
var accountAnnotations = []string{api.RoleAnnotation}

// claim marks a key as understood.
func (c *converter) claim(mapping *node, name string) {
	if at, _ := manifest.Own(mapping, name); at != nil {
		c.claimed[at] = true
	}
}
