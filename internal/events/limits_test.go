package events

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

func TestLimitsOfAnIdentityAndItsNamespace(t *testing.T) {
	l, now := NewLimits(), time.Unix(0, 0)
	key := func(namespace string, i int) identity.Key {
		return identity.Key{Source: identity.ServiceAccount, Namespace: namespace, Name: fmt.Sprint(i)}
	}
	for range identityBurst {
		require.Zero(t, l.Take(key("a", 0), now))
	}
	assert.Equal(t, identityInterval, l.Take(key("a", 0), now))
	allowed := 0
	for i := range 1000 {
		if l.Take(key("a", 1+i), now) == 0 {
			allowed++
		}
	}
	assert.Equal(t, namespaceBurst-identityBurst, allowed)
	allowed = 0
	for range 1000 {
		if l.Allow("a", now) {
			allowed++
		}
	}
	assert.Equal(t, namespaceBurst, allowed, "Warnings that wait take no place of other events")
	assert.True(t, l.Allow("b", now), "other namespaces are not concerned")
	assert.Zero(t, l.Take(key("b", 0), now))
}
