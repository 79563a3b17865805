package main

import (
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Where the controller's own credentials come from, see
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html and
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html.
var credentialAddresses = []string{"169.254.170.23", "fd00:ec2::23", "169.254.169.254", "fd00:ec2::254"}

func TestTheNetworkPolicyLetsTheControllerReachItsCredentials(t *testing.T) {
	text, err := os.ReadFile("manifests/controller/networkpolicy.yaml")
	require.NoError(t, err)
	var policy networkingv1.NetworkPolicy
	require.NoError(t, yaml.UnmarshalStrict(text, &policy))
	for _, address := range credentialAddresses {
		assert.True(t, reaches(t, policy.Spec.Egress, netip.MustParseAddr(address)), address)
	}
	assert.False(t, reaches(t, policy.Spec.Egress, netip.MustParseAddr("10.0.0.1")), "port 80 of anything else")
}

// reaches says whether port 80 of an address may be connected to.
func reaches(t *testing.T, rules []networkingv1.NetworkPolicyEgressRule, address netip.Addr) bool {
	t.Helper()
	for _, rule := range rules {
		for _, port := range rule.Ports {
			if port.Port.IntValue() != 80 {
				continue
			}
			for _, peer := range rule.To {
				if netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(address) {
					return true
				}
			}
		}
	}
	return false
}
