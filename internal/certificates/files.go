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

// Files serves a certificate and a key from files that are renewed externally, such as by
// cert-manager.
type Files struct {
	certificate, key string
	logger           log.Logger

	mu      sync.Mutex
	serving *tls.Certificate
	read    [2]version
}

// version identifies the content of a file, to detect a replacement.
type version struct {
	modified time.Time
	size     int64
}

// OpenFiles reads the certificate and the key. It fails if they cannot be read.
func OpenFiles(certificate, key string, logger log.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, logger: logger}
	f.read = f.versions()
	return f, f.load()
}

// Certificate returns the certificate to serve. It implements tls.Config.GetCertificate.
// The files are reloaded when they change. If that fails, the previous certificate remains
// in use, because the two files are not replaced atomically.
func (f *Files) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	current := f.current()
	return current, valid(current)
}

// Ready returns nil while the certificate is valid.
func (f *Files) Ready() error {
	_, err := f.Certificate(nil)
	return err
}

// Expiration returns the expiration time of the certificate.
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

// versionOf returns the version of a file, the zero version if it does not exist.
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
