package shares

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClientsAreCountedByAddressAndOfIPv6ByNetwork(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5000":                 "192.0.2.1",
		"[::ffff:192.0.2.1]:5000":        "192.0.2.1",
		"[2001:db8:0:1::1]:5000":         "2001:db8:0:1::/64",
		"[2001:db8:0:1:ffff:1:2:3]:5000": "2001:db8:0:1::/64",
		"[2001:db8:0:2::1]:5000":         "2001:db8:0:2::/64",
		"[fe80::1%eth0]:5000":            "fe80::/64",
		"@":                              "@",
	} {
		assert.Equal(t, want, Address(remote), remote)
	}
}
