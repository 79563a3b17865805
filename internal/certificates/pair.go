// Package certificates keeps the serving certificate of the admission webhook:
// one that is made here and that the API server is told to trust, or one from
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

// Lifetimes. An authority is replaced when a third of its time is left, which
// is longer than any certificate it has signed is valid: until the last of them
// is gone both authorities are trusted.
const (
	authorityLifetime = 360 * 24 * time.Hour
	servingLifetime   = 60 * 24 * time.Hour
	// backdated allows for an API server whose clock is behind.
	backdated = 10 * time.Minute
)

// A Bundle is what is kept in the Secret.
type Bundle struct {
	// Authorities are the certificates that the API server is to trust, the
	// one that signs first.
	Authorities []*x509.Certificate
	// AuthorityKey is the first one's.
	AuthorityKey crypto.Signer
	// Serving is signed by one of them.
	Serving *tls.Certificate
	// Token is what the API server is known by: the name of the path that it is
	// told to call. "" is for a bundle of a version before.
	Token string
}

// Renew returns the bundle to use for names: have itself while nothing about it
// is due. have is nil where there is none, or none that can be read. Where the
// authority is due it is only announced: certificates are signed with it from
// the next time on, when announced says that the API server trusts it.
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
		next.Token = newToken() // it may have got about since: API servers repeat where they call to whom they cannot admit
		return &next, next.sign(now, names)
	default:
		return have, nil
	}
}

// NextRenewal returns when Renew is next going to return something else.
func (b *Bundle) NextRenewal() time.Time {
	authority, serving := dueAt(b.Authorities[0]), dueAt(b.Serving.Leaf)
	if authority.Before(serving) {
		return authority
	}
	return serving
}

func due(now time.Time, c *x509.Certificate) bool { return !now.Before(dueAt(c)) }

func dueAt(c *x509.Certificate) time.Time { return c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3) }

func covers(c *x509.Certificate, names []string) bool {
	for _, name := range names {
		if c.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// addAuthority puts a new one in front, and drops those that have run out.
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

// sign makes a serving certificate.
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

func issue(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// AuthoritiesPEM returns what the API server is to trust.
func (b *Bundle) AuthoritiesPEM() []byte {
	var out bytes.Buffer
	for _, c := range b.Authorities {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw}))
	}
	return out.Bytes()
}
