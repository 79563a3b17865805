package certificates

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Certificate returns the certificate to serve. It implements tls.Config.GetCertificate.
func (k *Keeper) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := k.Ready(); err != nil {
		return nil, err
	}
	return k.serving.Load(), nil
}

// Ready returns nil while a valid certificate exists.
func (k *Keeper) Ready() error { return valid(k.serving.Load()) }

// Expiration returns the expiration time of the certificate, the zero Time without one.
func (k *Keeper) Expiration() time.Time { return expiration(k.serving.Load()) }

// valid returns nil if a certificate exists and has not expired.
func valid(c *tls.Certificate) error {
	switch now := time.Now(); {
	case c == nil:
		return errors.New("there is no certificate yet")
	case now.After(c.Leaf.NotAfter):
		return fmt.Errorf("the certificate expired at %s", c.Leaf.NotAfter.Format(time.RFC3339))
	default:
		return nil
	}
}

// expiration returns NotAfter of a certificate, the zero Time if it is nil.
func expiration(c *tls.Certificate) time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.Leaf.NotAfter
}
