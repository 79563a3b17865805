package limit

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAddressIsCanonical(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5000":          "192.0.2.1",
		"[::ffff:192.0.2.1]:5000": "192.0.2.1",
		"[2001:db8:0:1::1]:5000":  "2001:db8:0:1::1",
		"[2001:db8::1:0:0:2]:5":   "2001:db8::1:0:0:2",
		"[fe80::1%eth0]:5000":     "fe80::1",
		"@":                       "@",
	} {
		assert.Equal(t, want, Address(remote), remote)
	}
}
