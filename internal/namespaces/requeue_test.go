package namespaces

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// warnings records the reasons of warning events.
type warnings []string

func (w *warnings) WarnNamespace(name, uid, reason, _ string) {
	*w = append(*w, name+" "+uid+" "+reason)
}

func TestIdentitiesOfANamespaceAreRequeuedWhenItsRulesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, i, _ := newSource()
		elsewhere := identity.Key{Source: identity.ServiceAccount, Namespace: "other", Name: "app"}
		passes := 0
		keys := []func() iter.Seq[identity.Key]{
			func() iter.Seq[identity.Key] { passes++; return slices.Values([]identity.Key{ofAccount, elsewhere}) },
			func() iter.Seq[identity.Key] { return slices.Values([]identity.Key{ofRole}) },
		}
		var warned warnings
		var added []identity.Key
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Requeue(ctx, &warned, keys, func(key identity.Key) { added = append(added, key) }) }()
		synctest.Wait()
		assert.Zero(t, passes)

		i.handler.OnAdd(transformed(t, permitting), true)
		i.handler.OnUpdate(transformed(t, permitting), transformed(t, refusing))
		synctest.Wait()
		assert.Equal(t, []identity.Key{ofAccount, ofRole}, added[len(added)-2:])
		assert.NotContains(t, added, elsewhere)
		assert.LessOrEqual(t, passes, 2)
		assert.Empty(t, warned)

		added, passes = nil, 0
		i.handler.OnUpdate(transformed(t, refusing), transformed(t, refusing))
		synctest.Wait()
		assert.Zero(t, passes, "nothing has changed")

		i.handler.OnUpdate(transformed(t, refusing), transformed(t, map[string]string{api.AllowedRolesAnnotation: "app"}))
		i.handler.OnUpdate(transformed(t, refusing), transformed(t, map[string]string{api.AllowedRolesAnnotation: `["app"]`, api.Prefix + "allowed-role": "x"}))
		synctest.Wait()
		assert.NotEmpty(t, added)
		assert.Equal(t, warnings{"ns u1 " + api.InvalidAnnotation, "ns u1 " + api.UnknownAnnotation}, warned)

		stopped := errors.New("stopped")
		cancel(stopped)
		require.ErrorIs(t, <-done, stopped)
	})
}

func TestChangedNamespacesAreTakenOnce(t *testing.T) {
	c := newChangedNamespaces()
	c.add("a")
	c.add("a")
	<-c.wake
	assert.Empty(t, c.wake, "one signal for many changes")
	assert.Equal(t, map[string]bool{"a": true}, c.take())
	c.add("b")
	assert.Equal(t, map[string]bool{"b": true}, c.take())
}
