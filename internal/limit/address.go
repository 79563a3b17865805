package limit

import "net/netip"

// Address is what a client is counted by, of the address and port that it comes
// from: the address, in one spelling. Not the network of an IPv6 address: nodes and
// pods of a subnet may all have theirs of one /64, and would share what one may have.
func Address(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return from.Addr().Unmap().WithZone("").String()
}
