package app

import (
	"runtime/debug"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
)

func TestMemoryLimitIsNineTenthsOfTheContainers(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for name, tc := range map[string]struct {
		file, text, variable string
		want                 int64
	}{
		"cgroups v2":                  {file: "memory.max", text: "536870912\n", want: 483183819},
		"cgroups v1":                  {file: "memory/memory.limit_in_bytes", text: "536870912\n", want: 483183819},
		"no limit in v2":              {file: "memory.max", text: "max\n"},
		"no limit in v1":              {file: "memory/memory.limit_in_bytes", text: "9223372036854771712\n"},
		"no cgroups":                  {file: "other"},
		"an invalid limit":            {file: "memory.max", text: "-5\n"},
		"GOMEMLIMIT takes precedence": {file: "memory.max", text: "536870912\n", variable: "1GiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", tc.variable)
			debug.SetMemoryLimit(before)
			assert.Equal(t, tc.want, setMemoryLimit(fstest.MapFS{tc.file: {Data: []byte(tc.text)}}))
			want := before
			if tc.want > 0 {
				want = tc.want
			}
			assert.Equal(t, want, debug.SetMemoryLimit(-1))
		})
	}
}

func TestGarbageIsCollectedMoreOftenUnlessTheUserSaysHowOften(t *testing.T) {
	before := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "77")
	setGCPercent()
	assert.Equal(t, 77, debug.SetGCPercent(77))
	t.Setenv("GOGC", "")
	setGCPercent()
	assert.Equal(t, gcPercent, debug.SetGCPercent(77))
}
