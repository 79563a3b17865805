package httpserver

import (
	"errors"
	"net"
)

// limitedListener accepts connections all the time, and hands them to the server
// within the limits: connections over a limit do not delay the ones behind them.
type limitedListener struct {
	net.Listener

	connections *Connections
	// ready are the connections to be served next, guarded by the lock of connections.
	ready []*limitedConn
	// wake signals that ready is not empty. failed passes on errors of Accept, and is
	// closed with the listener.
	wake   chan struct{}
	failed chan error
}

// limit returns a listener of the connections within the limits.
func (c *Connections) limit(l net.Listener) net.Listener {
	c.listener = &limitedListener{Listener: l, connections: c, wake: make(chan struct{}, 1), failed: make(chan error)}
	go c.listener.run()
	return c.listener
}

func (l *limitedListener) run() {
	defer close(l.failed)
	for {
		conn, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			l.failed <- err
		default:
			l.connections.add(l.connections.newConn(conn))
		}
	}
}

// push makes a connection the last to be accepted. It is called with the lock held.
func (l *limitedListener) push(conn *limitedConn) {
	l.ready = append(l.ready, conn)
	select {
	case l.wake <- struct{}{}:
	default: // already signaled
	}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		if conn := l.pop(); conn != nil {
			return conn, nil
		}
		select {
		case <-l.wake:
		case err, open := <-l.failed:
			if !open {
				err = net.ErrClosed
			}
			return nil, err
		}
	}
}

func (l *limitedListener) pop() *limitedConn {
	l.connections.mu.Lock()
	defer l.connections.mu.Unlock()
	if len(l.ready) == 0 {
		return nil
	}
	conn := l.ready[0]
	l.ready = l.ready[1:]
	return conn
}

// Close implements net.Listener.
func (l *limitedListener) Close() error {
	err := l.Listener.Close()
	l.connections.closeWaiting()
	return err
}
