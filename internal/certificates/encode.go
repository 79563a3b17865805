package certificates

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Keys of the Secret, in addition to those of the type kubernetes.io/tls.
const (
	authoritiesKey  = "ca.crt"
	authorityKeyKey = "ca.key"
	tokenKey        = "path-token"
)

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

// encode returns the data of the Secret.
func (b *Bundle) encode() (map[string][]byte, error) {
	authorityKey, err1 := encodeKey(b.AuthorityKey)
	servingKey, err2 := encodeKey(b.Serving.PrivateKey)
	return map[string][]byte{
		authoritiesKey:          b.AuthoritiesPEM(),
		authorityKeyKey:         authorityKey,
		tokenKey:                []byte(b.Token),
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: b.Serving.Leaf.Raw}),
		corev1.TLSPrivateKeyKey: servingKey,
	}, errors.Join(err1, err2)
}

func encodeKey(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}), nil
}

// decode parses the data of the Secret and checks that its parts match. Errors do not
// quote the data, which contains private keys.
func decode(data map[string][]byte) (*Bundle, error) {
	serving, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, errors.New("the serving certificate and its key cannot be read")
	}
	signer, err := tls.X509KeyPair(data[authoritiesKey], data[authorityKeyKey])
	if err != nil {
		return nil, errors.New("the authority and its key cannot be read")
	}
	key, ok := signer.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("the authority's key cannot sign")
	}
	b := &Bundle{AuthorityKey: key, Serving: &serving, Token: decodeToken(data[tokenKey])}
	pool := x509.NewCertPool()
	for _, der := range signer.Certificate {
		c, err2 := x509.ParseCertificate(der)
		if err2 != nil || !c.IsCA {
			return nil, errors.New("an authority cannot be read")
		}
		b.Authorities = append(b.Authorities, c)
		pool.AddCert(c)
	}
	// Verify at the start of validity: Renew decides about expiration.
	_, err = serving.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: serving.Leaf.NotBefore.Add(backdated)})
	if err != nil {
		return nil, errors.New("the serving certificate is not signed by an authority of the Secret")
	}
	return b, nil
}

// decodeToken returns a token in lower case, "" if it is malformed.
func decodeToken(text []byte) string {
	if raw, err := hex.DecodeString(string(text)); err != nil || len(raw) != tokenBytes {
		return ""
	}
	return strings.ToLower(string(text))
}
