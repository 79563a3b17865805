package broker

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/status"
)

// How many events are recorded at once, of an identity and in a namespace, and how
// soon one more of an identity.
const (
	identityEvents  = 5
	namespaceEvents = 100
	eventInterval   = 20 * time.Second
)

func TestManyMalformedValuesAreFewEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var again time.Duration
		for i := range 1000 {
			w.desiredErr = &identity.InvalidError{Reason: api.InvalidAnnotation, Message: fmt.Sprintf("%d does not name a role", i)}
			again = w.serve()
		}
		assert.Len(t, w.told(), identityEvents)
		assert.Equal(t, identityEvents, strings.Count(w.logged.String(), "cannot serve identity"))
		assert.Equal(t, "999 does not name a role", w.shown().Message)
		assert.Equal(t, status.Failed, w.state())

		assert.Equal(t, eventInterval, again)
		time.Sleep(again)
		assert.Equal(t, status.RepeatAfter, w.serve())
		assert.Equal(t, []event{{true, true, "InvalidAnnotation", "999 does not name a role"}}, w.told(), "the last word is said")
		assert.Equal(t, status.RepeatAfter, w.serve())
		assert.Empty(t, w.told())
	})
}

func TestValueThatIsFixedAndBrokenInALoopIsFewEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		for range 100 {
			w.desiredErr = errInvalid
			w.serve()
			w.desiredErr = nil
			w.serve()
		}
		assert.Len(t, w.told(), 1+identityEvents)
	})
}

func TestEventsAreLimitedByNamespace(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"good news": func(*world) {}, "bad news": func(w *world) { w.desiredErr = errInvalid },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				spoil(w)
				serve := func(namespace string, i int) time.Duration {
					again, _ := w.syncKey(identity.Key{Source: identity.ServiceAccount, Namespace: namespace, Name: fmt.Sprint(i)})
					return again
				}
				for i := range 1000 {
					serve("a", i)
				}
				assert.Len(t, w.told(), namespaceEvents)
				serve("b", 0)
				assert.Len(t, w.told(), 1, "others are not concerned")
				time.Sleep(2 * time.Minute) // until all are through that were promised a time
				serve("a", 1001)
				assert.Len(t, w.told(), 1)
			})
		})
	}
}
