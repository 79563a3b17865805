package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheWebhookOfEKSIsKnownByItsTokens(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"an IAM role for the controller's ServiceAccount": {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}, true},
		"EKS Pod Identity":          {map[string]string{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token"}, true},
		"web identity of one's own": {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/aws/token"}, false},
		"an instance's role":        {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tc.want, irsaServed(func(key string) string { return tc.env[key] }))
		})
	}
}
