package httpserver

import (
	"context"
	"net"
	"sync"
)

// Connections bound how many there are of one address, and in all. Those of who
// is known count no more: a flood of others does not reach them.
type Connections struct {
	perAddress, total int

	mu sync.Mutex
	// open are those that count, the oldest of an address first.
	open  map[string][]*connection
	count int
}

// NewConnections returns bounds.
func NewConnections(perAddress, total int) *Connections {
	return &Connections{perAddress: perAddress, total: total, open: map[string][]*connection{}}
}

// Known says that the request with this context is of somebody who may have as
// many connections as they like.
func (c *Connections) Known(ctx context.Context) {
	if conn, ok := ctx.Value(connectionKey{}).(*connection); ok {
		c.forget(conn)
	}
}

type connectionKey struct{}

// remember lets a request's context tell its connection.
func remember(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = over.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, c)
}

func (c *Connections) bound(l net.Listener) net.Listener {
	return &bounded{Listener: l, connections: c}
}

type bounded struct {
	net.Listener

	connections *Connections
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		counted := &connection{Conn: conn, connections: b.connections, address: addressOf(conn)}
		if b.connections.admit(counted) {
			return counted, nil
		}
		_ = conn.Close() // nobody has used it
	}
}

func addressOf(c net.Conn) string {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return c.RemoteAddr().String()
}

type connection struct {
	net.Conn

	connections *Connections
	address     string
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.connections.forget(c)
	return c.Conn.Close()
}

// admit says whether there is room for one more. An address that has its part is
// turned away; where there are too many in all, the address with the most loses its
// oldest, so that whoever has few is always let in.
func (c *Connections) admit(conn *connection) bool {
	c.mu.Lock()
	if len(c.open[conn.address]) >= c.perAddress {
		c.mu.Unlock()
		return false
	}
	var victim *connection
	if c.count >= c.total {
		victim = c.oldestOfTheMost()
		c.remove(victim)
	}
	c.open[conn.address] = append(c.open[conn.address], conn)
	c.count++
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Conn.Close() // its handlers see to the rest
	}
	return true
}

func (c *Connections) oldestOfTheMost() *connection {
	var most []*connection
	for _, conns := range c.open {
		if len(conns) > len(most) {
			most = conns
		}
	}
	return most[0]
}

func (c *Connections) forget(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(conn)
}

// remove takes a connection off the count, if it is there. The lock is held.
func (c *Connections) remove(conn *connection) {
	conns := c.open[conn.address]
	for i := range conns {
		if conns[i] != conn {
			continue
		}
		c.count--
		if len(conns) == 1 {
			delete(c.open, conn.address)
			return
		}
		c.open[conn.address] = append(conns[:i:i], conns[i+1:]...)
		return
	}
}
