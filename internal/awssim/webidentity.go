package awssim

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// webIdentityAction needs no signature: the caller is who the token says.
const webIdentityAction = "AssumeRoleWithWebIdentity"

// webIdentity is what a verified token says about its bearer.
type webIdentity struct {
	issuer, subject, audience string
	// provider is the ARN of the OIDC provider.
	provider string
}

var webTokenRule = makeRule(4, 20_000, `(?s).*`)

func invalidToken(message string) *apiError {
	return newError(http.StatusBadRequest, "InvalidIdentityToken", message)
}

// federated returns the bearer of the token in a request as a principal. It may ask the
// issuer for its keys, so the caller does not hold mu.
func (s *Sim) federated(ctx context.Context, q *request) (*principal, *apiError) {
	token, failure := q.form.required("WebIdentityToken", webTokenRule)
	if failure != nil {
		return nil, failure
	}
	s.journal.issue(token) // as secret as the session that it is worth
	a, failure := q.webAssumption()
	if failure != nil {
		return nil, failure
	}
	who, failure := s.verifyToken(ctx, a.account, token, q.now)
	if failure != nil {
		return nil, failure
	}
	return &principal{account: a.account, arn: who.provider, web: who}, nil
}

// webAssumption parses the parameters of AssumeRoleWithWebIdentity, which has neither
// external ID nor tags.
func (q *request) webAssumption() (a assumption, failure *apiError) {
	var errs [4]*apiError
	a.arn, errs[0] = q.form.required("RoleArn", arnRule)
	a.session, errs[1] = q.form.required("RoleSessionName", sessionNameRule)
	a.duration, errs[2] = q.form.number("DurationSeconds", 0, minSession, maxSession)
	a.policy, errs[3] = q.sessionPolicy()
	if failure = first(errs[:]...); failure != nil {
		return a, failure
	}
	return a, q.locate(&a)
}

type webIdentityRole struct {
	assumedRole

	SubjectFromWebIdentityToken string
	Audience                    string
	Provider                    string
}

// assumeRoleWithWebIdentity issues temporary credentials to the bearer of a token.
func assumeRoleWithWebIdentity(q *request) (any, *apiError) {
	a, failure := q.webAssumption()
	if failure != nil {
		return nil, failure
	}
	if failure = q.regionActive(a); failure != nil {
		return nil, failure
	}
	r := q.roleOf(a)
	if r == nil || r.trust.trustsFederated(q.caller.web.provider, q.webFacts(a)) != allowed {
		return nil, newError(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	duration, failure := q.sessionLength(r, a)
	if failure != nil {
		return nil, failure
	}
	packed, failure := q.packedSize(a)
	if failure != nil {
		return nil, failure
	}
	who := q.caller.web
	return webIdentityRole{
		assumedRole: q.issue(r, a, duration, packed), SubjectFromWebIdentityToken: who.subject, Audience: who.audience, Provider: who.issuer,
	}, nil
}

// webFacts returns the condition keys of web identity federation,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif.
func (q *request) webFacts(a assumption) facts {
	who := q.caller.web
	prefix := strings.ToLower(strings.TrimPrefix(who.issuer, "https://"))
	return facts{
		prefix + ":sub":         {who.subject},
		prefix + ":aud":         {who.audience},
		"aws:federatedprovider": {who.provider},
		"sts:rolesessionname":   {a.session},
		"aws:currenttime":       {q.now.UTC().Format("2006-01-02T15:04:05Z")},
		"aws:sourceip":          {"127.0.0.1"},
		"aws:securetransport":   {"true"},
	}
}

// trustsFederated evaluates a trust policy for a bearer of a provider's token. Only a
// statement that names the provider allows; one for everybody can deny.
func (d *document) trustsFederated(provider string, known facts) verdict {
	answer := implicitDeny
	for i := range d.statements {
		st := &d.statements[i]
		if !st.names("sts:"+webIdentityAction) || !st.holds(known) {
			continue
		}
		named := st.Principal != nil && slices.Contains(st.Principal.byKind["Federated"], provider)
		switch {
		case st.Effect == "Deny" && (named || st.namesAnyone()):
			return explicitDeny
		case st.Effect == "Allow" && named:
			answer = allowed
		}
	}
	return answer
}

// namesAnyone reports whether a statement may apply to principals of all kinds. With
// NotPrincipal that is everybody who is not in the list, and no list here has a bearer.
func (st *statement) namesAnyone() bool {
	return st.NotPrincipal != nil || slices.Contains(st.Principal.byKind["AWS"], "*")
}
