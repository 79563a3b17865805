package shares

import "net/netip"

// networkBits is how much of an IPv6 address tells clients apart: whoever has one
// address of a /64 may well have all of them.
const networkBits = 64

// Address is what a client is counted by, of the address and port that it comes
// from: the IPv4 address, or the network of 64 bits of an IPv6 address.
func Address(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := from.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, _ := address.Prefix(networkBits) // of 128 bits there are 64
	return network.String()
}
