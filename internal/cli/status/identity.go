package status

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/identity"
)

// Identity is one object that requests an AWS identity. Its JSON and YAML form is stable.
type Identity struct {
	// Kind is ServiceAccount or AWSIAMRole.
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	State     State  `json:"state"`
	// Role is the ARN of the role of the credentials, or, without any, what is requested,
	// "" for a managed role that does not exist yet.
	Role string `json:"role,omitempty"`
	// Managed reports that the controller manages the role.
	Managed bool `json:"managed"`
	// Secret holds the credentials, in the same namespace.
	Secret     string       `json:"secret"`
	ExternalID string       `json:"externalID,omitempty"`
	Expiration *metav1.Time `json:"expiration,omitempty"`
	// RoleLastUsed is when a managed role was last used, as far as IAM tracks that, some
	// hours late. RoleUnused reports that IAM knows of no use.
	RoleLastUsed *metav1.Time `json:"roleLastUsed,omitempty"`
	RoleUnused   bool         `json:"roleUnused,omitempty"`
	// LastError is why it is not served as requested, nil for nothing that is known. An
	// error before the last issue of credentials is none any more.
	LastError *Problem `json:"lastError,omitempty"`
}

// Problem is what went wrong last.
type Problem struct {
	// Reason is that of the event or condition.
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Time is when it was last reported, nil if that is not known.
	Time *metav1.Time `json:"time,omitempty"`
}

// identityOf is pure.
func identityOf(v *view) Identity {
	_, kind := v.want.Source.Owner()
	i := Identity{
		Kind: kind, Namespace: v.want.Namespace, Name: v.want.Name, State: v.state(),
		Role: v.have.RoleARN, Managed: v.want.Managed != nil,
		Secret: v.want.SecretName, ExternalID: v.want.ExternalID, LastError: v.last,
	}
	if i.Role == "" && v.want.Managed == nil {
		i.Role = v.want.Role.String()
	}
	if !v.have.Expiration.IsZero() {
		i.Expiration = new(metav1.NewTime(v.have.Expiration))
	}
	switch used := v.have.RoleUsed; {
	case !used.Known || v.have.RoleID == "":
	case used.At.IsZero():
		i.RoleUnused = true
	default:
		i.RoleLastUsed = new(metav1.NewTime(used.At))
	}
	return i
}

// key identifies the object.
func (i *Identity) key() identity.Key {
	source := identity.AWSIAMRole
	if _, kind := identity.ServiceAccount.Owner(); i.Kind == kind {
		source = identity.ServiceAccount
	}
	return identity.Key{Source: source, Namespace: i.Namespace, Name: i.Name}
}

// object returns kind/name, as kubectl accepts it.
func (i *Identity) object() string { return strings.ToLower(i.Kind) + "/" + i.Name }

// equal reports whether two identities are shown the same, the time left aside.
func (i *Identity) equal(other *Identity) bool { return equality.Semantic.DeepEqual(i, other) }

// sortByTrouble sorts what needs attention first, then by name.
func sortByTrouble(all []Identity) {
	slices.SortFunc(all, func(a, b Identity) int {
		return cmp.Or(
			cmp.Compare(a.State.rank(), b.State.rank()),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name),
		)
	})
}
