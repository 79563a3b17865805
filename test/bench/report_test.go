package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestALineSaysInHowManyRunsItsTargetWasMet(t *testing.T) {
	r := &report{measure: "single", date: "2026-01-01"}
	for i, met := range []bool{true, false, true} {
		r.add(met, "one", "10 ms", "%d ms", i)
		r.add(true, "two", "1", "%d", i)
		r.add(false, "three", "1", "%d", i)
	}
	page := r.markdown("")
	assert.Contains(t, page, "| single | one | 10 ms | 0 ms<br>1 ms<br>2 ms | met in 2 of 3 | 2026-01-01 |\n")
	assert.Contains(t, page, "| single | two | 1 | 0<br>1<br>2 | met | 2026-01-01 |\n")
	assert.Contains(t, page, "| single | three | 1 | 0<br>1<br>2 | **missed** | 2026-01-01 |\n")
}

func TestAMeasureReplacesItsOwnLines(t *testing.T) {
	before := &report{date: "2026-01-01"}
	for _, name := range []string{"memory", "burst"} {
		before.measure = name
		before.add(true, name+" figure", "1", "0")
		before.add(true, name+" figure that is no longer taken", "1", "0")
		before.detail("a line of %s: with a colon", name)
	}
	before.rows = append(before.rows, &row{measure: "gone", what: "a measure that there is no more"})
	page := before.markdown("")

	after := &report{measure: "memory", date: "2026-02-02"}
	after.add(false, "memory figure", "1", "2")
	got := after.markdown(page)
	rows, details := parsePage(got)
	assert.Equal(t, []*row{
		{measure: "burst", what: "burst figure", target: "1", measured: []string{"0"}, verdict: "met", date: "2026-01-01"},
		{measure: "burst", what: "burst figure that is no longer taken", target: "1", measured: []string{"0"}, verdict: "met", date: "2026-01-01"},
		{measure: "memory", what: "memory figure", target: "1", measured: []string{"2"}, verdict: "**missed**", date: "2026-02-02"},
	}, rows)
	assert.Equal(t, []detail{{"burst", "a line of burst: with a colon"}}, details)
	assert.Equal(t, got, (&report{}).markdown(got), "nothing is lost where nothing is measured")
}
