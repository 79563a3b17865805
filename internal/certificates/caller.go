package certificates

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

const (
	// settling is how long after a change API servers may go on calling the path
	// from before: each watches the configuration for itself.
	settling = 30 * time.Second
	// patience is how long a caller is kept waiting before it is turned away: the
	// API server may know of a configuration earlier than this process.
	patience = time.Second
	// tokenBytes is how long a token is before it is spelt out. A segment of a
	// webhook's path is a DNS name, which is lower case.
	tokenBytes = 20
)

// newToken returns the name of a path that nobody can guess.
func newToken() string {
	var random [tokenBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

// callers tell the API server from whoever else reaches the port, by the path that
// only the configuration says. The zero value knows nobody, and keeps nobody out.
type callers struct {
	mu sync.Mutex
	// token is the path's last segment, before the one that there was before.
	token, before string
	// closed says that every webhook is called at the path with the token, until
	// when others are answered all the same.
	closed bool
	until  time.Time
	// changed is closed whenever any of that changes, nil while nobody waits for it.
	changed chan struct{}
}

// knows says whether the last segment of a path is the token.
func (c *callers) knows(given string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known(given)
}

// known is knows while the lock is held. The token before counts until all API
// servers can have heard of the new one.
func (c *callers) known(given string) bool {
	return same(given, c.token) || same(given, c.before) && c.settling()
}

func (c *callers) settling() bool { return !c.closed || time.Now().Before(c.until) }

func same(given, token string) bool {
	return token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
}

// current returns the token, "" before there is one.
func (c *callers) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// set says which token there is, and whether every webhook is called with it.
func (c *callers) set(token string, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == c.token && closed == c.closed {
		return
	}
	if token != c.token {
		c.token, c.before = token, c.token
	}
	if closed {
		c.until = time.Now().Add(settling)
	}
	c.closed = closed
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// open says whether somebody is answered who gave something else than the token, or
// nothing. Before it says no it waits for a moment.
func (c *callers) open(ctx context.Context, given string) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c.mu.Lock()
		if c.settling() || c.known(given) {
			c.mu.Unlock()
			return true
		}
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// given returns the segment of a path below the webhook's, "" for none.
func (k *Keeper) given(path string) string {
	if given, below := strings.CutPrefix(path, k.Path+"/"); below {
		return given
	}
	return ""
}

// Known says whether whoever asked for a path is told of it by the configuration.
func (k *Keeper) Known(path string) bool { return k.callers.knows(k.given(path)) }

// Open says whether the API server may be among those who are not known. It waits
// for a moment before it says no.
func (k *Keeper) Open(ctx context.Context, path string) bool {
	return k.callers.open(ctx, k.given(path))
}

// where returns where a webhook is called, and what is to be patched there so that
// it is called at the path, nil for nothing. A URL that leads elsewhere, such as to a
// gateway, is left alone.
func (k *Keeper) where(c *admissionregistrationv1.WebhookClientConfig, path string) (patch map[string]any, asked bool) {
	switch {
	case c.Service != nil:
		if c.Service.Path != nil && *c.Service.Path == path {
			return nil, true
		}
		return map[string]any{"service": map[string]any{"path": path}}, false
	case c.URL != nil:
		at, err := url.Parse(*c.URL)
		if err != nil || at.Path != k.Path && !strings.HasPrefix(at.Path, k.Path+"/") {
			return nil, false
		}
		if at.Path == path {
			return nil, true
		}
		at.Path = path
		return map[string]any{"url": at.String()}, false
	default:
		return nil, false
	}
}

// path returns where webhooks are to be called, given where they are.
func (k *Keeper) path(token string) (path string, known bool) {
	if k.Outdated == nil {
		return "", false
	}
	switch n, err := k.Outdated(); {
	case err != nil:
		return "", false
	case n > 0:
		return k.Path, true
	default:
		return fmt.Sprintf("%s/%s", k.Path, token), true
	}
}
