package workloop

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// flows makes a queue of keys such as a/1, whose flow is a.
func flows(deadlines map[string]time.Time) *byDeadline[string] {
	return newByDeadline(func(k string) time.Time { return deadlines[k] }, func(k string) string {
		flow, _, _ := strings.Cut(k, "/")
		return flow
	})
}

// out takes n keys out.
func out(q *byDeadline[string], n int) (keys []string) {
	for range n {
		keys = append(keys, q.Pop())
	}
	return keys
}

func TestAFloodOfOneFlowDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		q := flows(map[string]time.Time{"c/soon": start.Add(30 * time.Second), "c/later": start.Add(10 * time.Minute)})
		for i := range 10_000 {
			q.Push(fmt.Sprintf("a/%d", i))
		}
		time.Sleep(time.Second)
		q.Push("b/1")
		q.Push("b/2")
		q.Push("c/later")
		q.Push("c/soon")
		assert.Equal(t, []string{"a/0", "b/1"}, out(q, 2), "the first of each go before all")
		next := out(q, 400)
		assert.Contains(t, next[:15], "b/2", "the second of one and that of another are alike")
		assert.Contains(t, next, "c/soon", "nor is one that runs out kept waiting")
		assert.NotContains(t, next, "c/later")
		rest := out(q, q.Len())
		assert.Equal(t, "a/9999", rest[len(rest)-1], "even that comes")
	})
}

func TestAFlowThatWasServedIsLikeAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := flows(nil)
		for i := range 10 {
			q.Push(fmt.Sprintf("a/%d", i))
		}
		assert.Equal(t, "a/9", out(q, 10)[9], "first come, first served")
		assert.Empty(t, q.waiting, "nothing is remembered of it")
		q.Push("b/1")
		q.Push("b/2")
		q.Push("a/10")
		assert.Equal(t, []string{"b/1", "a/10", "b/2"}, out(q, 3))
	})
}

func TestAKeyThatIsAddedAgainKeepsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadlines := map[string]time.Time{}
		q := flows(deadlines)
		q.Push("a/1")
		q.Push("a/2")
		q.Push("a/3")
		time.Sleep(time.Minute)
		q.Touch("a/2")
		assert.Equal(t, "a/1", q.Pop())
		deadlines["a/2"] = time.Now().Add(time.Hour) // it was served meanwhile
		q.Touch("a/2")
		assert.Equal(t, 1, q.waiting["a"])
		assert.Equal(t, []string{"a/3", "a/2"}, out(q, 2))
		assert.Empty(t, q.waiting)
	})
}
