package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// Clients verifies the client certificates of requests to the webhook. A certificate must
// be signed by a CA in a file and, if common names are configured, have one of them.
type Clients struct {
	file   string
	names  []string
	logger log.Logger

	mu          sync.Mutex
	authorities *x509.CertPool
	read        version
}

// OpenClients reads the CA file. It fails if the file cannot be read.
func OpenClients(file string, names []string, logger log.Logger) (*Clients, error) {
	c := &Clients{file: file, names: names, logger: logger, read: versionOf(file)}
	return c, c.load()
}

// Require returns a copy of server that requires a valid client certificate. The CA file
// is reloaded when it changes; if that fails, the previous CAs remain in use.
func (c *Clients) Require(server *tls.Config) *tls.Config {
	server = server.Clone()
	server.NextProtos = []string{"h2", "http/1.1"} // net/http adds them only to its own copy
	server.ClientAuth = tls.RequireAndVerifyClientCert
	server.VerifyConnection = c.check
	// With a nil pool, crypto/tls would use the system's CAs.
	server.ClientCAs = c.current()
	outer := server.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		inner := server.Clone()
		inner.ClientCAs = c.current()
		return inner, nil
	}
	return outer
}

// check rejects certificates with a common name that is not configured.
func (c *Clients) check(state tls.ConnectionState) error {
	if len(c.names) == 0 || len(state.PeerCertificates) > 0 && slices.Contains(c.names, state.PeerCertificates[0].Subject.CommonName) {
		return nil
	}
	return errors.New("the client's certificate is for none of the names in --webhook-client-names")
}

func (c *Clients) current() *x509.CertPool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := versionOf(c.file); now != c.read {
		if err := c.load(); err != nil {
			level.Warn(c.logger).Log("msg", "the authorities of the webhook's clients cannot be read, the previous ones stay in use", "err", err)
			return c.authorities
		}
		c.read = now
	}
	return c.authorities
}

func (c *Clients) load() error {
	text, err := os.ReadFile(c.file)
	if err != nil {
		return fmt.Errorf("read the authorities of the webhook's clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("read the authorities of the webhook's clients: there is no certificate in %s", c.file)
	}
	c.authorities = pool
	return nil
}
