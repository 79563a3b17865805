package awssim

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// algorithms are those that AWS accepts.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// claims are those that AWS reads. A pointer tells an absent claim from a zero.
type claims struct {
	jwt.Claims

	AuthorizedParty string `json:"azp"`
}

// verifyToken verifies a token as described in
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html.
func (s *Sim) verifyToken(ctx context.Context, account, token string, now time.Time) (*webIdentity, *apiError) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	var unverified claims
	if err != nil || parsed.UnsafeClaimsWithoutVerification(&unverified) != nil {
		return nil, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	provider := s.provider(account, unverified.Issuer)
	if provider == nil {
		return nil, invalidToken("No OpenIDConnect provider found in your account for " + unverified.Issuer)
	}
	key, failure := provider.key(ctx, parsed)
	if failure != nil {
		return nil, failure
	}
	var verified claims
	if parsed.Claims(key, &verified) != nil {
		return nil, invalidToken("The web identity token that was passed could not be validated by AWS. Get a new identity token from the identity provider and then retry the request.")
	}
	if failure = verified.check(now); failure != nil {
		return nil, failure
	}
	audience, ok := verified.party()
	if !ok || !slices.Contains(provider.ClientIDs, audience) {
		return nil, invalidToken("Incorrect token audience")
	}
	return &webIdentity{
		issuer: verified.Issuer, subject: verified.Subject, audience: audience, provider: s.providerARN(account, verified.Issuer),
	}, nil
}

// key returns the key of the issuer that a token names.
func (p *OIDCProvider) key(ctx context.Context, token *jwt.JSONWebToken) (any, *apiError) {
	keys, err := p.keys(ctx)
	if errors.Is(err, errUnreachable) {
		return nil, newError(http.StatusBadRequest, "IDPCommunicationError", "Could not reach the identity provider "+p.URL)
	}
	// A token has one signature, which ParseSigned has made sure of.
	found := keys.Key(token.Headers[0].KeyID)
	if err != nil || len(found) != 1 {
		return nil, invalidToken("Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	return found[0].Key, nil
}

// check validates the claims that AWS requires, and the lifetime. There is no leeway.
func (c *claims) check(now time.Time) *apiError {
	for name, missing := range map[string]bool{
		"sub": c.Subject == "", "aud": len(c.Audience) == 0, "exp": c.Expiry == nil, "iat": c.IssuedAt == nil,
	} {
		if missing {
			return invalidToken("Missing a required claim: " + name)
		}
	}
	if expires := c.Expiry.Time(); !now.Before(expires) {
		return newError(http.StatusBadRequest, "ExpiredTokenException",
			"Token expired: current date/time "+itoa(int(now.Unix()))+" must be before the expiration date/time "+itoa(int(expires.Unix())))
	}
	// Issuers count in seconds.
	if begin := now.Add(time.Second); c.IssuedAt.Time().After(begin) || (c.NotBefore != nil && c.NotBefore.Time().After(begin)) {
		return invalidToken("The token is not valid yet")
	}
	return nil
}

// party returns the audience that conditions see: azp if there is one, else the only
// audience.
func (c *claims) party() (string, bool) {
	switch {
	case c.AuthorizedParty != "":
		return c.AuthorizedParty, true
	case len(c.Audience) == 1:
		return c.Audience[0], true
	default:
		return "", false
	}
}
