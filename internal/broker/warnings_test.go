package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/refresh"
	"kube-aws-iam-controller/internal/status"
)

func TestWarningIsRecordedOncePerChangeAndHourly(t *testing.T) {
	for name, asks := range map[string]bool{"of one that asks": true, "of one that asks for nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if !asks {
					w.asked = nil
				}
				warnings := func() (n int) {
					for _, e := range w.told() {
						if e.reason == "UnknownAnnotation" {
							assert.Equal(t, event{true, false, "UnknownAnnotation", w.warning}, e)
							n++
						}
					}
					return n
				}
				w.warning = "roles is not known"
				again := w.serve()
				assert.Equal(t, 1, warnings())
				assert.Positive(t, again)
				assert.LessOrEqual(t, again, status.RepeatAfter, "somebody has to come back for it")
				w.serve()
				assert.Zero(t, warnings())
				w.warning = "roless is not known"
				w.serve()
				assert.Equal(t, 1, warnings(), "another one")

				time.Sleep(status.RepeatAfter - time.Second)
				w.serve()
				assert.Zero(t, warnings())
				time.Sleep(time.Second)
				w.serve()
				assert.Equal(t, 1, warnings(), "events are forgotten after an hour")

				w.warning = ""
				w.serve()
				if !asks {
					assert.Zero(t, w.serve())
				}
			})
		})
	}
}

func TestWarningsDoNotAffectService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.warning = "roles is not known"
		w.serve()
		assert.Equal(t, status.Ready, w.state())
		assert.Equal(t, "Assume Apply", w.did())
	})
}

func TestNoWarningWhileAnIdentityIsRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.serve()
		w.told()
		w.asked, w.warning = nil, "role-arn is written by the controller"
		w.keeps = true
		w.serve()
		assert.Empty(t, w.told(), "its Secret is still there")
		w.keeps = false
		w.did()
		w.serve()
		assert.Equal(t, "Release Remove", w.did(), "it is retired as ever")
		w.serve()
		assert.Len(t, w.told(), 1, "what stays is said")
	})
}

func TestWarningsInALoopAreFewEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asked = nil
		w.have[app] = refresh.State{}
		var again time.Duration
		for i := range 1000 {
			w.warning = "key" + string(rune('a'+i%26)) + " is not known"
			again = w.serve()
		}
		assert.Len(t, w.told(), identityEvents)
		assert.Equal(t, eventInterval, again)
		time.Sleep(again)
		w.serve()
		assert.Len(t, w.told(), 1, "the last word is said")
	})
}
