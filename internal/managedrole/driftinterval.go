package managedrole

import "time"

// inspectionShare is the share of the requests to IAM that inspections may take.
const inspectionShare = 0.25

// maxDriftInterval keeps an interval within what a time.Duration holds.
const maxDriftInterval = 365 * 24 * time.Hour

// stretched returns how often each role is inspected: as often as asked, or less if
// that many inspections, at that many requests each, would exceed the share of qps.
func stretched(asked time.Duration, roles, requests int, qps float64) time.Duration {
	needed := float64(roles*requests) / (inspectionShare * qps) // seconds
	if needed >= maxDriftInterval.Seconds() {
		return max(asked, maxDriftInterval)
	}
	return max(asked, time.Duration(needed*float64(time.Second)))
}

// inspectionRate returns how many inspections per second fit into the share of qps.
func inspectionRate(requests int, qps float64) float64 {
	return inspectionShare * qps / float64(requests)
}

// notable reports whether a change of the interval deserves a line in the log: it
// differs by a tenth from the one that was logged last (0 for none), or is as asked
// again.
func notable(asked, logged, now time.Duration) bool {
	logged = max(asked, logged)
	return now > logged+logged/10 || now < logged-logged/10 || now == asked && logged != asked
}
