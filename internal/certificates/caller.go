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
	// transition is how long after a change of the configuration API servers may go on
	// calling the previous path: each of them watches the configuration itself.
	transition = 30 * time.Second
	// refusalDelay is how long a client without the token waits before it is refused: the
	// API server may see a new configuration earlier than this process.
	refusalDelay = time.Second
	// tokenBytes is the length of a token. It is encoded in hex, because a segment of a
	// webhook's path has to be a lower-case DNS name.
	tokenBytes = 20
)

// newToken returns a path segment that cannot be guessed.
func newToken() string {
	var random [tokenBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

// callers tells the API server from other clients by the token in the path, which only
// the webhook's configuration contains. The zero value refuses nobody.
type callers struct {
	mu sync.Mutex
	// token is the last segment of the path, previous the one before it was changed.
	token, previous string
	// closed says that all webhooks are configured with the token; until is when
	// clients without it are refused.
	closed bool
	until  time.Time
	// changed is closed when any of that changes, nil while nobody waits.
	changed chan struct{}
}

// knows says whether a segment of a path is the token.
func (c *callers) knows(given string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known(given)
}

// known is knows with the lock held. The previous token is valid until all API servers
// have seen the new one.
func (c *callers) known(given string) bool {
	return same(given, c.token) || same(given, c.previous) && c.inTransition()
}

func (c *callers) inTransition() bool { return !c.closed || time.Now().Before(c.until) }

func same(given, token string) bool {
	return token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1
}

// current returns the token, "" before there is one.
func (c *callers) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// set sets the token, and whether all webhooks are configured with it.
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

// open says whether a client with another token or none is answered. It returns false
// only after refusalDelay.
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

// given returns the token in a path, "" for none.
func (k *Keeper) given(path string) string {
	if given, below := strings.CutPrefix(path, k.Path+"/"); below {
		return given
	}
	return ""
}

// Known says whether a request for a path is the API server's: it has the token.
func (k *Keeper) Known(path string) bool { return k.callers.knows(k.given(path)) }

// Open says whether a request for a path without the token may be the API server's. It
// returns false only after a delay.
func (k *Keeper) Open(ctx context.Context, path string) bool {
	return k.callers.open(ctx, k.given(path))
}

// where returns whether a webhook's configuration has the path, and otherwise the patch
// that sets it. A URL that leads elsewhere, such as to a gateway, is not changed.
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

// path returns the path to configure, and false while that is not known.
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
