package managedrole

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestIntervalByTheNumberOfRoles(t *testing.T) {
	const requests = 4 // of one inspection
	for _, tc := range []struct {
		roles int
		qps   float64
		asked time.Duration
		want  time.Duration
	}{
		{0, 20, time.Hour, time.Hour},
		{1_000, 20, time.Hour, time.Hour},
		{4_500, 20, time.Hour, time.Hour}, // five requests a second, a quarter of 20
		{4_501, 20, time.Hour, time.Hour + 800*time.Millisecond},
		{5_000, 20, time.Hour, 66*time.Minute + 40*time.Second},
		{10_000, 20, time.Hour, 2*time.Hour + 13*time.Minute + 20*time.Second},
		{20_000, 20, time.Hour, 4*time.Hour + 26*time.Minute + 40*time.Second},
		{20_000, 20, 6 * time.Hour, 6 * time.Hour}, // who asks for less gets less
		{10_000, 5, time.Hour, 8*time.Hour + 53*time.Minute + 20*time.Second},
		{10_000, 1_000, time.Minute, 160 * time.Second},
		{3, 0.5, time.Second, 96 * time.Second},
		{1_000_000, 1e-12, time.Hour, 365 * 24 * time.Hour}, // and no overflow
	} {
		got := stretched(tc.asked, tc.roles, requests, tc.qps)
		assert.Equal(t, tc.want, got, tc)
		if tc.want < maxDriftInterval {
			assert.LessOrEqual(t, float64(tc.roles*requests)/got.Seconds(), tc.qps/4*(1+1e-9), tc)
			assert.LessOrEqual(t, float64(tc.roles)/got.Seconds(), inspectionRate(requests, tc.qps)*(1+1e-9), tc)
		}
	}
}

func TestIntervalIsLoggedWhenItChangesNotably(t *testing.T) {
	const asked = time.Hour
	for _, tc := range []struct {
		logged, now time.Duration
		want        bool
	}{
		{0, asked, false}, // nobody has to be told what they asked for
		{0, 65 * time.Minute, false},
		{0, 67 * time.Minute, true},
		{67 * time.Minute, 67 * time.Minute, false},
		{67 * time.Minute, 72 * time.Minute, false},
		{67 * time.Minute, 75 * time.Minute, true},
		{4 * time.Hour, 3 * time.Hour, true},
		{67 * time.Minute, 62 * time.Minute, false},
		{67 * time.Minute, asked, true}, // as asked again
		{asked, asked, false},
	} {
		assert.Equal(t, tc.want, notable(asked, tc.logged, tc.now), tc)
	}
}
