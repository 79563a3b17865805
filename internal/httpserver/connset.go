package httpserver

import "slices"

// connSet is a set of connections by address, oldest first.
type connSet struct {
	byAddress map[string][]*limitedConn
	count     int
}

func newConnSet() connSet { return connSet{byAddress: map[string][]*limitedConn{}} }

func (s *connSet) add(conn *limitedConn) {
	s.byAddress[conn.address] = append(s.byAddress[conn.address], conn)
	s.count++
}

// remove removes a connection and says whether it was there.
func (s *connSet) remove(conn *limitedConn) bool {
	conns := s.byAddress[conn.address]
	i := slices.Index(conns, conn)
	if i < 0 {
		return false
	}
	s.count--
	if len(conns) == 1 {
		delete(s.byAddress, conn.address)
	} else {
		s.byAddress[conn.address] = slices.Delete(conns, i, i+1)
	}
	return true
}

// evict removes and closes the oldest connection of the address with the most. If it
// is being served, its server notices.
func (s *connSet) evict() {
	var most []*limitedConn
	for _, conns := range s.byAddress {
		if len(conns) > len(most) {
			most = conns
		}
	}
	if len(most) > 0 {
		oldest := most[0]
		s.remove(oldest)
		_ = oldest.Conn.Close()
	}
}
