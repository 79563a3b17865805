package certificates

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// Files are a certificate and a key that something else renews, such as
// cert-manager.
type Files struct {
	certificate, key string
	logger           log.Logger

	mu      sync.Mutex
	serving *tls.Certificate
	read    [2]version
}

// A version tells a file that was replaced from the one before.
type version struct {
	modified time.Time
	size     int64
}

// OpenFiles reads the files, which have to be there.
func OpenFiles(certificate, key string, logger log.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, logger: logger}
	f.read = f.versions()
	return f, f.load()
}

// Certificate implements the GetCertificate of a tls.Config. It reads the files
// again once they have changed, and keeps what it has while they cannot be
// read: they are not replaced at the same moment.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	current := f.current()
	return current, valid(current)
}

// Ready returns nil while the certificate is valid.
func (f *Files) Ready() error {
	_, err := f.Certificate(nil)
	return err
}

// Expiration returns when the certificate runs out.
func (f *Files) Expiration() time.Time {
	return expiration(f.current())
}

func (f *Files) current() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.versions(); now != f.read {
		if err := f.load(); err != nil {
			level.Warn(f.logger).Log("msg", "the webhook's new certificate cannot be read, the old one stays", "err", err)
			return f.serving
		}
		f.read = now
	}
	return f.serving
}

func (f *Files) versions() (found [2]version) {
	for i, path := range []string{f.certificate, f.key} {
		found[i] = versionOf(path)
	}
	return found
}

// versionOf returns the zero version of a file that is not there.
func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{}
	}
	return version{info.ModTime(), info.Size()}
}

func (f *Files) load() error {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("read the webhook's certificate from %s and %s: %w", f.certificate, f.key, err)
	}
	f.serving = &pair
	return nil
}
