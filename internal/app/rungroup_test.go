package app

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errBroken = errors.New("broken")

func TestRunGroupReturnsTheFirstErrorEvenIfAnotherHangs(t *testing.T) {
	for name, tc := range map[string]struct {
		hangs   bool
		fails   error
		sigterm bool
		want    error
	}{
		"all end well":                           {sigterm: true},
		"one fails":                              {fails: errBroken, want: errBroken},
		"one fails and another hangs":            {fails: errBroken, hangs: true, want: errBroken},
		"one hangs after SIGTERM":                {sigterm: true, hangs: true},
		"one fails after SIGTERM and one hangs":  {sigterm: true, fails: errBroken, hangs: true, want: errBroken},
		"one fails after SIGTERM and all others": {sigterm: true, fails: errBroken, want: errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				outer, sigterm := context.WithCancel(t.Context())
				release := make(chan struct{})
				g, ctx := newRunGroup(outer, log.NewLogfmtLogger(&logged))
				g.start("well", func() error { <-ctx.Done(); return nil })
				g.start("may fail", func() error {
					time.Sleep(2 * time.Second) // after the signal, if there is one
					return tc.fails
				})
				g.start("may hang", func() error {
					<-ctx.Done()
					if tc.hangs {
						<-release
					}
					return nil
				})
				if tc.sigterm {
					time.AfterFunc(time.Second, sigterm)
				}
				begin := time.Now()
				err := g.await(ctx, 9*time.Second)
				require.ErrorIs(t, err, tc.want)
				assert.Equal(t, tc.hangs, bytes.Contains(logged.Bytes(), []byte(`level=error msg="not everything ended in time" waited=9s running="may hang"`)), logged.String())
				assert.LessOrEqual(t, time.Since(begin), 11*time.Second)
				sigterm()
				close(release)
			})
		})
	}
}

func TestRunGroupNamesWhatStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		outer, sigterm := context.WithCancel(t.Context())
		release := make(chan struct{})
		g, ctx := newRunGroup(outer, log.NewLogfmtLogger(&logged))
		for name, hang := range map[string][]bool{"watch": {false, true}, "webhook": {false}, "work": {true, true, false}} {
			for _, hangs := range hang {
				g.start(name, func() error {
					<-ctx.Done()
					if hangs {
						<-release
					}
					return nil
				})
			}
		}
		sigterm()
		require.NoError(t, g.await(ctx, time.Second))
		assert.Contains(t, logged.String(), `running="watch, work"`)
		close(release)
		synctest.Wait()
		assert.Empty(t, g.names())
	})
}
