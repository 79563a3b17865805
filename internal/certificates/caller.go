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
	// transition bounds how long API servers call the previous path after a change of the
	// configuration: each API server watches the configuration separately.
	transition = 30 * time.Second
	// refusalDelay is the delay before a request without the token is refused: the API
	// server may see a new configuration earlier than this process.
	refusalDelay = time.Second
	// tokenBytes is the length of a token before hex encoding. The API server requires
	// each segment of a webhook's path to be a lower-case DNS name, which hex is.
	tokenBytes = 20
)

// newToken returns a random, unguessable path segment.
func newToken() string {
	var random [tokenBytes]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never returns an error
	return hex.EncodeToString(random[:])
}

// callers identifies the API server by the token in the request path, which only the
// webhook's configuration contains. The zero value refuses no request.
type callers struct {
	mu sync.Mutex
	// token is the last segment of the configured path; previous is the token before the
	// last change.
	token, previous string
	// closed reports whether all webhooks are configured with the token. If so, requests
	// without it are refused from until on.
	closed bool
	until  time.Time
	// changed is closed on the next change of these fields. It is nil without a waiter.
	changed chan struct{}
}

// knows reports whether a path segment is the token.
func (c *callers) knows(given string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known(given)
}

// known is knows for callers that hold mu. The previous token remains valid during the
// transition, until all API servers use the new one.
func (c *callers) known(given string) bool {
	return same(given, c.token) || same(given, c.previous) && c.inTransition()
}

// inTransition reports whether API servers may still call a path without the token. The
// caller holds mu.
func (c *callers) inTransition() bool { return !c.closed || time.Now().Before(c.until) }

// same compares in constant time. An empty token matches nothing.
func same(given, token string) bool {
	return token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
}

// current returns the token, "" if none is set.
func (c *callers) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// set updates the token and whether all webhooks are configured with it, and wakes the
// waiters in open.
func (c *callers) set(token string, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == c.token && closed == c.closed {
		return
	}
	if token != c.token {
		c.token, c.previous = token, c.token
	}
	if closed {
		c.until = time.Now().Add(transition)
	}
	c.closed = closed
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// open reports whether to serve a request without the current token. It returns false
// only after refusalDelay, and true as soon as the state changes in favor of the request.
func (c *callers) open(ctx context.Context, given string) bool {
	ctx, cancel := context.WithTimeout(ctx, refusalDelay)
	defer cancel()
	for {
		c.mu.Lock()
		if c.inTransition() || c.known(given) {
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

// given returns the token in a request path, "" without one.
func (k *Keeper) given(path string) string {
	if given, below := strings.CutPrefix(path, k.Path+"/"); below {
		return given
	}
	return ""
}

// Known reports whether a request path contains the token, which identifies the API
// server.
func (k *Keeper) Known(path string) bool { return k.callers.knows(k.given(path)) }

// Open reports whether a request without the token may come from the API server, because
// the configured path has changed recently or has no token. It returns false only after
// refusalDelay.
func (k *Keeper) Open(ctx context.Context, path string) bool {
	return k.callers.open(ctx, k.given(path))
}

// pathPatch reports whether a webhook is configured with path, and returns the patch that
// sets path if not. A URL with a path outside k.Path, such as one of a gateway, is left
// unchanged.
func (k *Keeper) pathPatch(c *admissionregistrationv1.WebhookClientConfig, path string) (patch map[string]any, configured bool) {
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

// path returns the path to configure: k.Path while there are replicas of older versions,
// which serve nothing else. known is false if the number of those is unknown.
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
