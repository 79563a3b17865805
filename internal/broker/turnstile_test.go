package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/identity"
)

func TestWhoeverHasToWaitIsPromisedATimeOfItsOwn(t *testing.T) {
	stile, now := newTurnstile(2, time.Second), time.Unix(1000, 0)
	key := func(i int) identity.Key { return identity.Key{Namespace: "ns", Name: fmt.Sprint(i)} }
	var waits []time.Duration
	for i := range 5 {
		waits = append(waits, stile.pass(key(i), now))
	}
	assert.Equal(t, []time.Duration{0, 0, time.Second, 2 * time.Second, 3 * time.Second}, waits)
	assert.Equal(t, 3*time.Second, stile.pass(key(4), now), "the same time, however often it asks")
	assert.False(t, stile.try("ns", now.Add(3*time.Second)), "what is promised is spoken for")
	assert.Zero(t, stile.pass(key(4), now.Add(3*time.Second)))
	assert.Zero(t, stile.pass(key(2), now.Add(time.Minute)), "who comes later than its time has it still")
	assert.True(t, stile.try("ns", now.Add(time.Minute)))
	assert.Zero(t, stile.pass(identity.Key{Namespace: "other"}, now))

	stile.sweep(now.Add(time.Hour))
	assert.Empty(t, stile.promised, "key 3 never came")
	assert.Empty(t, stile.emptyAt)
}
