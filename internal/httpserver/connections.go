package httpserver

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"kube-aws-iam-controller/internal/limit"
)

// Connections bound how many there are of one address, and in all. Those of who
// is known count no more: a flood of others does not reach them. An address that has
// its part has its next ones wait, unread: a client with many requests at once may
// dial for each of them, and need few of these connections in the end.
type Connections struct {
	perAddress, total, waiting int

	mu sync.Mutex
	// open are those that count, parked those that wait.
	open, parked crowd
	listener     *bounded
}

// NewConnections returns bounds: for one address and for all, and how many may wait.
func NewConnections(perAddress, total, waiting int) *Connections {
	return &Connections{perAddress: perAddress, total: total, waiting: waiting, open: newCrowd(), parked: newCrowd()}
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

// bound returns a listener of connections within the bounds.
func (c *Connections) bound(l net.Listener) net.Listener {
	c.listener = &bounded{Listener: l, connections: c, wake: make(chan struct{}, 1), failed: make(chan error)}
	go c.listener.run()
	return c.listener
}

type bounded struct {
	net.Listener

	connections *Connections
	// queue are those to be served next, guarded by the lock of connections.
	queue []*connection
	// wake says that there are some. failed is closed with the listener.
	wake   chan struct{}
	failed chan error
}

// run accepts all the time, so that who has its part keeps nobody else waiting.
func (b *bounded) run() {
	defer close(b.failed)
	for {
		conn, err := b.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			b.failed <- err
		default:
			b.connections.admit(&connection{Conn: conn, connections: b.connections, address: limit.Address(conn.RemoteAddr().String())})
		}
	}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		if conn := b.next(); conn != nil {
			return conn, nil
		}
		select {
		case <-b.wake:
		case err, open := <-b.failed:
			if !open {
				err = net.ErrClosed
			}
			return nil, err
		}
	}
}

func (b *bounded) next() *connection {
	b.connections.mu.Lock()
	defer b.connections.mu.Unlock()
	if len(b.queue) == 0 {
		return nil
	}
	conn := b.queue[0]
	b.queue = b.queue[1:]
	return conn
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	err := b.Listener.Close()
	b.connections.mu.Lock()
	defer b.connections.mu.Unlock()
	for _, conns := range b.connections.parked.of {
		for _, conn := range conns {
			_ = conn.Conn.Close() // nobody has used it
		}
	}
	b.connections.parked = newCrowd()
	return err
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

// admit has a connection served, or wait. Where there are too many in all, the
// address with the most loses its oldest, so that whoever has few is always let in.
func (c *Connections) admit(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open.of[conn.address]) < c.perAddress {
		c.serve(conn)
		return
	}
	if c.parked.count >= c.waiting {
		c.parked.evict()
	}
	c.parked.add(conn)
}

// serve has a connection accepted. The lock is held.
func (c *Connections) serve(conn *connection) {
	if c.open.count >= c.total {
		c.open.evict()
	}
	c.open.add(conn)
	c.listener.queue = append(c.listener.queue, conn)
	select {
	case c.listener.wake <- struct{}{}:
	default: // it has been said
	}
}

// forget counts a connection no more, and lets the next of its address in.
func (c *Connections) forget(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open.remove(conn) {
		return
	}
	if waiting := c.parked.of[conn.address]; len(waiting) > 0 {
		next := waiting[0]
		c.parked.remove(next)
		c.serve(next)
	}
}

// A crowd are connections by address, the oldest of each first.
type crowd struct {
	of    map[string][]*connection
	count int
}

func newCrowd() crowd { return crowd{of: map[string][]*connection{}} }

func (c *crowd) add(conn *connection) {
	c.of[conn.address] = append(c.of[conn.address], conn)
	c.count++
}

func (c *crowd) remove(conn *connection) bool {
	conns := c.of[conn.address]
	i := slices.Index(conns, conn)
	if i < 0 {
		return false
	}
	c.count--
	if len(conns) == 1 {
		delete(c.of, conn.address)
	} else {
		c.of[conn.address] = slices.Delete(conns, i, i+1)
	}
	return true
}

// evict closes the oldest of the address with the most. Its handlers see to the rest.
func (c *crowd) evict() {
	var most []*connection
	for _, conns := range c.of {
		if len(conns) > len(most) {
			most = conns
		}
	}
	if len(most) > 0 {
		victim := most[0]
		c.remove(victim)
		_ = victim.Conn.Close()
	}
}
