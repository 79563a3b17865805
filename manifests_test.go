package main

import (
	"net/netip"
	"os"
	"slices"
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

func TestTheExampleKeepsPodsFromTheNodesMetadataAndFromNothingElse(t *testing.T) {
	text, err := os.ReadFile("examples/node-metadata/networkpolicy.yaml")
	require.NoError(t, err)
	var policy networkingv1.NetworkPolicy
	require.NoError(t, yaml.UnmarshalStrict(text, &policy))
	assert.Equal(t, []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}, policy.Spec.PolicyTypes)
	assert.Empty(t, policy.Spec.PodSelector, "all pods")
	require.Len(t, policy.Spec.Egress, 1)
	assert.Empty(t, policy.Spec.Egress[0].Ports, "on all ports")
	for address, reached := range map[string]bool{
		"169.254.169.254": false, "fd00:ec2::254": false,
		"169.254.170.23": true, "fd00:ec2::23": true, "169.254.169.253": true, "10.0.0.1": true, "2001:db8::1": true,
	} {
		assert.Equal(t, reached, within(policy.Spec.Egress[0].To, netip.MustParseAddr(address)), address)
	}
}

// within says whether an address is in one of the blocks and in none of their exceptions.
func within(peers []networkingv1.NetworkPolicyPeer, address netip.Addr) bool {
	for _, peer := range peers {
		if peer.IPBlock == nil || !netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(address) {
			continue
		}
		excepted := slices.ContainsFunc(peer.IPBlock.Except, func(cidr string) bool { return netip.MustParsePrefix(cidr).Contains(address) })
		if !excepted {
			return true
		}
	}
	return false
}
