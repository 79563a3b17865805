package awssim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// OIDCProvider describes an IAM OIDC identity provider for AddOIDCProvider,
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html.
type OIDCProvider struct {
	Account string
	// URL is the issuer. It begins with https:// and is equal to the claim iss of tokens.
	URL string
	// ClientIDs are the accepted audiences.
	ClientIDs []string
	// Client fetches the issuer's discovery document and keys, nil for a client that
	// trusts the CAs of the machine. A client that trusts another CA, or reaches the
	// issuer at another address, stands for a publicly reachable issuer.
	Client *http.Client
}

// Limits of identity providers, from the API model of IAM.
const (
	maxClientIDs   = 100
	maxProviderURL = 255
	maxClientID    = 255
)

// AddOIDCProvider creates or replaces an OIDC provider, and returns its ARN.
func (s *Sim) AddOIDCProvider(spec OIDCProvider) (string, error) {
	issuer, err := url.Parse(spec.URL)
	switch {
	case err != nil || issuer.Scheme != "https" || issuer.Host == "" || issuer.RawQuery != "" || len(spec.URL) > maxProviderURL:
		return "", fmt.Errorf("InvalidInput: %q is not the URL of a provider: it has to begin with https:// and have no query", spec.URL)
	case len(spec.ClientIDs) > maxClientIDs:
		return "", errors.New("LimitExceeded: Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100")
	case slices.ContainsFunc(spec.ClientIDs, func(id string) bool { return id == "" || len(id) > maxClientID }):
		return "", fmt.Errorf("ValidationError: a client ID has 1 to %d characters", maxClientID)
	}
	if spec.Client == nil {
		spec.Client = &http.Client{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.providers[spec.Account+" "+spec.URL] = &spec
	return s.providerARN(spec.Account, spec.URL), nil
}

// RemoveOIDCProvider deletes an OIDC provider.
func (s *Sim) RemoveOIDCProvider(account, issuer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.providers, account+" "+issuer)
}

// providerARN returns the ARN of the provider for an issuer, which lacks the scheme.
func (s *Sim) providerARN(account, issuer string) string {
	return s.arn("iam", account, "oidc-provider/"+strings.TrimPrefix(issuer, "https://"))
}

func (s *Sim) provider(account, issuer string) *OIDCProvider {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.providers[account+" "+issuer]
}

const (
	// fetchTimeout is how long STS waits for an issuer.
	fetchTimeout = 5 * time.Second
	// maxDocument is the maximum size of a document of an issuer.
	maxDocument = 1 << 20
)

// errUnreachable means that no response came from an issuer.
var errUnreachable = errors.New("the issuer cannot be reached")

// keys returns the public keys of the issuer, found by OpenID Connect Discovery:
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig. They are
// fetched each time, whereas AWS caches them.
func (p *OIDCProvider) keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := p.fetch(ctx, strings.TrimSuffix(p.URL, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return set, err
	}
	if discovery.Issuer != p.URL || !strings.HasPrefix(discovery.JWKSURI, "https://") {
		return set, errors.New("the discovery document is of another issuer, or its jwks_uri is not https")
	}
	return set, p.fetch(ctx, discovery.JWKSURI, &set)
}

func (p *OIDCProvider) fetch(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(into)
}
