// Package limit limits rates and concurrency by key, such as a namespace or the address
// of a client.
package limit

import "net/netip"

// Address returns the key of a client with this address and port: the address in
// canonical form. It is not the network of an IPv6 address, because all nodes and pods
// of a subnet may have addresses of one /64, and would share a limit.
func Address(remote string) string {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return from.Addr().Unmap().WithZone("").String()
}
