// Package certificates manages the serving certificate of the admission webhook:
// either self-managed, with its CA in the MutatingWebhookConfiguration, or read from
// files.
package certificates

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Certificate lifetimes. A CA is replaced when a third of its lifetime is left, which
// exceeds the lifetime of the certificates that it signed. Both CAs are trusted until
// the old one expires.
const (
	authorityLifetime = 360 * 24 * time.Hour
	servingLifetime   = 60 * 24 * time.Hour
	// backdated tolerates API servers with a slow clock.
	backdated = 10 * time.Minute
)

// A Bundle is the content of the Secret: the CAs, the serving certificate and the token.
type Bundle struct {
	// Authorities are the CA certificates for the API server to trust. The first one
	// signs.
	Authorities []*x509.Certificate
	// AuthorityKey is the key of the first authority.
	AuthorityKey crypto.Signer
	// Serving is signed by one of the authorities.
	Serving *tls.Certificate
	// Token is the last segment of the webhook's path and identifies the API server.
	// It is empty in a bundle of an older version.
	Token string
}

// Renew returns the bundle to use for names, which is have itself while no renewal is
// due. have is nil if there is no readable bundle. A new authority is only added to the
// bundle at first: it signs certificates once announced reports that the API server
// trusts it.
func Renew(now time.Time, have *Bundle, names []string, announced bool) (*Bundle, error) {
	switch {
	case have == nil || now.After(have.Authorities[0].NotAfter):
		fresh := &Bundle{Token: newToken()}
		return fresh, errors.Join(fresh.addAuthority(now), fresh.sign(now, names))
	case due(now, have.Authorities[0]):
		next := *have
		return &next, next.addAuthority(now)
	case due(now, have.Serving.Leaf) && announced, now.After(have.Serving.Leaf.NotAfter), !covers(have.Serving.Leaf, names):
		next := *have
		next.Token = newToken() // rotate it: API servers repeat the URL in errors to users, which discloses the token
		return &next, next.sign(now, names)
	default:
		return have, nil
	}
}

// NextRenewal returns the time from which on Renew returns a different bundle.
func (b *Bundle) NextRenewal() time.Time {
	authority, serving := dueAt(b.Authorities[0]), dueAt(b.Serving.Leaf)
	if authority.Before(serving) {
		return authority
	}
	return serving
}

// due reports whether a certificate is to be renewed.
func due(now time.Time, c *x509.Certificate) bool { return !now.Before(dueAt(c)) }

// dueAt returns when two thirds of a certificate's lifetime have passed.
func dueAt(c *x509.Certificate) time.Time { return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3) }

// covers reports whether a certificate is valid for all names.
func covers(c *x509.Certificate, names []string) bool {
	for _, name := range names {
		if c.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// addAuthority prepends a new authority and drops the expired ones.
func (b *Bundle) addAuthority(now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kube-aws-iam-controller webhook, from " + now.UTC().Format(time.DateOnly)},
		NotBefore:             now.Add(-backdated),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	certificate, err := issue(template, template, key, key)
	if err != nil {
		return err
	}
	authorities := []*x509.Certificate{certificate}
	for _, old := range b.Authorities {
		if now.Before(old.NotAfter) {
			authorities = append(authorities, old)
		}
	}
	b.Authorities, b.AuthorityKey = authorities, key
	return nil
}

// sign issues a serving certificate from the first authority.
func (b *Bundle) sign(now time.Time, names []string) error {
	if b.AuthorityKey == nil {
		return errors.New("there is no authority to sign with")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	leaf, err := issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		DNSNames:    names,
		NotBefore:   now.Add(-backdated),
		NotAfter:    now.Add(servingLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, b.Authorities[0], key, b.AuthorityKey)
	if err != nil {
		return err
	}
	b.Serving = &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
	return nil
}

// issue creates a certificate for key, signed by parent's signer.
func issue(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// AuthoritiesPEM returns the CA certificates for the API server to trust.
func (b *Bundle) AuthoritiesPEM() []byte {
	var out bytes.Buffer
	for _, c := range b.Authorities {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw}))
	}
	return out.Bytes()
}
