package telemetry

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Identity is what the metrics export of an identity.
type Identity struct {
	Source, Namespace, Name string
	State                   string
	// Ready says that it is served, and nothing is wrong.
	Ready bool
	// Reason is that of the event, "" if nothing failed.
	Reason string
	// Expiration is the zero Time if there are no credentials.
	Expiration time.Time
}

// identities computes its series at each scrape. So series of deleted objects
// disappear, and tens of thousands of them cost no memory in between.
type identities struct {
	// leading says whether this replica is the leader. What a standby knows is
	// outdated, and would be counted twice in sums.
	leading func() bool
	list    func() iter.Seq[Identity]
	// zero holds the counts of no identities, by source and state.
	zero     map[[2]string]float64
	count    *prometheus.Desc
	expiry   *prometheus.Desc
	notReady *prometheus.Desc
}

// NewIdentities returns a collector of the identities that list yields. It has no
// series while leading returns false. Every source and state has a count, which may
// be 0.
func NewIdentities(leading func() bool, list func() iter.Seq[Identity], sources, states []string) prometheus.Collector {
	c := &identities{
		leading: leading,
		list:    list,
		zero:    map[[2]string]float64{},
		count: prometheus.NewDesc(namespace+"_identities",
			"Identities by kind of object and state.", []string{"source", "state"}, nil),
		expiry: prometheus.NewDesc(namespace+"_credentials_expiration_timestamp_seconds",
			"When the credentials in an identity's Secret expire, in seconds since the epoch.",
			[]string{"source", "namespace", "name"}, nil),
		notReady: prometheus.NewDesc(namespace+"_identity_not_ready",
			"1 for each identity that is not ready, with its state and the reason of the event.",
			[]string{"source", "namespace", "name", "state", "reason"}, nil),
	}
	for _, source := range sources {
		for _, state := range states {
			c.zero[[2]string{source, state}] = 0
		}
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *identities) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.count
	ch <- c.expiry
	ch <- c.notReady
}

// Collect implements prometheus.Collector.
func (c *identities) Collect(ch chan<- prometheus.Metric) {
	if !c.leading() {
		return
	}
	counts := make(map[[2]string]float64, len(c.zero))
	for key := range c.zero {
		counts[key] = 0
	}
	for id := range c.list() {
		counts[[2]string{id.Source, id.State}]++
		if !id.Ready {
			ch <- prometheus.MustNewConstMetric(c.notReady, prometheus.GaugeValue, 1,
				id.Source, id.Namespace, id.Name, id.State, id.Reason)
		}
		if !id.Expiration.IsZero() {
			ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue,
				float64(id.Expiration.Unix()), id.Source, id.Namespace, id.Name)
		}
	}
	for key, n := range counts {
		ch <- prometheus.MustNewConstMetric(c.count, prometheus.GaugeValue, n, key[0], key[1])
	}
}
