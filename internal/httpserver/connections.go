package httpserver

import (
	"context"
	"net"
	"sync"

	"kube-aws-iam-controller/internal/limit"
)

// Limits limit the connections of a server.
type Limits struct {
	// PerAddress and Total are how many connections are served at once, per client
	// address and in all.
	PerAddress, Total int
	// Waiting is how many more connections wait to be served.
	Waiting int
}

// Connections limits the connections of a server. A connection beyond the limit of
// its address waits, unread, until another of the address is closed: a client with
// many concurrent requests may dial for each of them, and then use few connections.
// If there are too many connections in all, the address with the most loses its
// oldest, so that a client with few is always served.
//
// Connections of trusted clients do not count, so that others cannot crowd them out.
type Connections struct {
	limits Limits

	mu sync.Mutex
	// served are the connections that count, waiting those that wait.
	served, waiting connSet
	listener        *limitedListener
}

// NewConnections returns Connections with the limits.
func NewConnections(limits Limits) *Connections {
	return &Connections{limits: limits, served: newConnSet(), waiting: newConnSet()}
}

// Trust exempts the connection of the request with this context from the limits.
func (c *Connections) Trust(ctx context.Context) {
	if conn, ok := ctx.Value(connKey{}).(*limitedConn); ok {
		c.remove(conn)
	}
}

type connKey struct{}

// withConn is the ConnContext of a server, for Trust.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if wrapped, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = wrapped.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// limitedConn is a connection that counts.
type limitedConn struct {
	net.Conn

	connections *Connections
	address     string
}

func (c *Connections) newConn(conn net.Conn) *limitedConn {
	return &limitedConn{Conn: conn, connections: c, address: limit.Address(conn.RemoteAddr().String())}
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.connections.remove(c)
	return c.Conn.Close()
}

// add has a connection served, or lets it wait.
func (c *Connections) add(conn *limitedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.served.byAddress[conn.address]) < c.limits.PerAddress {
		c.serve(conn)
		return
	}
	if c.waiting.count >= c.limits.Waiting {
		c.waiting.evict()
	}
	c.waiting.add(conn)
}

// serve passes a connection to the server. It is called with the lock held.
func (c *Connections) serve(conn *limitedConn) {
	if c.served.count >= c.limits.Total {
		c.served.evict()
	}
	c.served.add(conn)
	c.listener.push(conn)
}

// remove stops counting a connection, and serves the next one of its address.
func (c *Connections) remove(conn *limitedConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.served.remove(conn) {
		return
	}
	if waiting := c.waiting.byAddress[conn.address]; len(waiting) > 0 {
		next := waiting[0]
		c.waiting.remove(next)
		c.serve(next)
	}
}

// closeWaiting closes the connections that wait.
func (c *Connections) closeWaiting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conns := range c.waiting.byAddress {
		for _, conn := range conns {
			_ = conn.Conn.Close() // nothing was sent over it
		}
	}
	c.waiting = newConnSet()
}
