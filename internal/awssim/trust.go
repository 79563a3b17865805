package awssim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// boundPrincipal is an AWS principal of a saved trust policy. Roles and users are stored by
// unique ID, so that one recreated with the same name is not trusted,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
type boundPrincipal struct {
	anyone  bool
	account string // all principals of the account, "" for a single one
	id      string // unique ID of a role or user
	session string // ARN of one session of the role with id
	text    string // original text
}

var (
	accountID    = regexp.MustCompile(`^[0-9]{12}$`)
	principalARN = regexp.MustCompile(`^arn:([a-z-]+):(iam|sts)::([0-9]{12}):(root|role/.+|user/.+|assumed-role/[^/]+/[^/]+)$`)
	federation   = regexp.MustCompile(`^(?:arn:[a-z-]+:iam::[0-9]{12}:(?:oidc|saml)-provider/[^*?\s]+|(?:[a-z0-9-]+\.)+[a-z]+)$`)
	uniqueID     = regexp.MustCompile(`^(AROA|AIDA)[A-Z0-9]{12,}$`)
)

// parseTrust parses a trust policy and binds its principals.
func (q *request) parseTrust(text string) (*document, *apiError) {
	if len(text) > maxTrustPolicy {
		return nil, limitExceeded(fmt.Sprintf("Cannot exceed quota for ACLSizePerRole: %d", maxTrustPolicy))
	}
	d, err := parseDocument(text)
	if err != nil {
		return nil, malformed(err.Error())
	}
	for i := range d.statements {
		st := &d.statements[i]
		if failure := checkTrust(st); failure != nil {
			return nil, failure
		}
		for _, p := range []*principals{st.Principal, st.NotPrincipal} {
			if failure := q.bind(p); failure != nil {
				return nil, failure
			}
		}
	}
	return d, nil
}

// checkTrust validates the rules that apply to trust policies only.
func checkTrust(st *statement) *apiError {
	switch {
	case st.Resource != nil || st.NotResource != nil:
		return malformed("Has prohibited field Resource")
	case (st.Principal == nil) == (st.NotPrincipal == nil):
		return malformed("AssumeRole policy must contain principals")
	}
	for _, action := range append(append(oneOrMany{}, st.Action...), st.NotAction...) {
		if action != "*" && !strings.HasPrefix(strings.ToLower(action), "sts:") {
			return malformed("AssumeRole policy may only specify STS AssumeRole actions")
		}
	}
	return nil
}

// bind resolves the AWS principals.
func (q *request) bind(p *principals) *apiError {
	if p == nil {
		return nil
	}
	for kind, values := range p.byKind {
		switch kind {
		case "Service", "CanonicalUser":
			continue // no caller in the simulation is one
		case "Federated":
			if !slices.ContainsFunc(values, func(v string) bool { return !federation.MatchString(v) }) {
				continue // compared as text, as AWS does
			}
			return malformed("Federated principals must be valid domain names or SAML metadata ARNs")
		case "AWS":
		default:
			return malformed("Invalid principal in policy: \"" + kind + "\"")
		}
		for _, value := range values {
			bound, ok := q.resolve(value)
			if !ok {
				return malformed(fmt.Sprintf("Invalid principal in policy: \"AWS\":%q", value))
			}
			p.bound = append(p.bound, bound)
		}
	}
	return nil
}

// resolve returns the principal of a value in a policy. The principal must exist and have
// propagated.
func (q *request) resolve(value string) (boundPrincipal, bool) {
	b := boundPrincipal{text: value}
	switch m := principalARN.FindStringSubmatch(value); {
	case value == "*":
		b.anyone = true
	case accountID.MatchString(value):
		b.account = value
	case uniqueID.MatchString(value):
		b.id = value
	case m == nil || m[1] != q.partition:
		return b, false
	case m[4] == "root":
		b.account = m[3]
	case m[2] == "sts":
		name, _, _ := strings.Cut(strings.TrimPrefix(m[4], "assumed-role/"), "/")
		r := q.visible(q.account(m[3]).roles[strings.ToLower(name)])
		if r == nil || r.name != name {
			return b, false
		}
		b.id, b.session = r.id, value
	default:
		b.id = q.entityID(m[3], value)
		return b, b.id != ""
	}
	return b, true
}

// entityID returns the unique ID of a role or user, "" if it does not exist.
func (q *request) entityID(account, arn string) string {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	if r := q.visible(q.account(account).roles[strings.ToLower(name)]); r != nil && r.arn == arn {
		return r.id
	}
	if u := q.account(account).users[name]; u != nil && u.arn == arn {
		return u.id
	}
	return ""
}

// shown returns the text of a trust policy for responses, in which a deleted principal is
// replaced by its unique ID.
func (q *request) shown(d *document) string {
	text := d.text
	for i := range d.statements {
		for _, p := range []*principals{d.statements[i].Principal, d.statements[i].NotPrincipal} {
			if p == nil {
				continue
			}
			for _, b := range p.bound {
				if strings.HasPrefix(b.text, "arn:") && b.id != "" && b.session == "" && q.entityID(accountOf(b.text), b.text) != b.id {
					text = strings.ReplaceAll(text, `"`+b.text+`"`, `"`+b.id+`"`)
				}
			}
		}
	}
	return text
}

func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}
