package managedrole

import "time"

// inspectionShare is the share of the requests to IAM that inspections may take.
const inspectionShare = 0.25

// maxDriftInterval keeps an interval within what a time.Duration holds.
const maxDriftInterval = 365 * 24 * time.Hour

// stretched returns how often each of so many roles is inspected: as often as asked, or
// as often as their inspections, of so many requests each, fit into the share of qps.
func stretched(asked time.Duration, roles, requests int, qps float64) time.Duration {
	needed := float64(roles*requests) / (inspectionShare * qps) // seconds
	if needed >= maxDriftInterval.Seconds() {
		return max(asked, maxDriftInterval)
	}
	return max(asked, time.Duration(needed*float64(time.Second)))
}

// inspectionRate returns how many inspections per second the share of qps allows.
func inspectionRate(requests int, qps float64) float64 {
	return inspectionShare * qps / float64(requests)
}

// notable reports whether it is worth a line in the log that the interval is now another
// one than was logged last, 0 for none: it changes by a tenth, or is as asked again.
func notable(asked, logged, now time.Duration) bool {
	logged = max(asked, logged)
	return now > logged+logged/10 || now < logged-logged/10 || now == asked && logged != asked
}
