package iamprovision

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTombstones(t *testing.T) {
	var d tombstones
	now := time.Unix(0, 0)
	assert.False(t, d.has("AROA0"))
	for i := range 100 {
		d.add(fmt.Sprintf("AROA%d", i), now)
		now = now.Add(time.Minute)
	}
	assert.True(t, d.has("AROA99"))
	assert.True(t, d.has("AROA90"), "IAM may still show it")
	assert.False(t, d.has("AROA0"))
	assert.Len(t, d.deletedAt, 11)
}
