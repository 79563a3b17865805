package telemetry

import (
	"iter"
	"maps"
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
	// RoleLastUsed is when the managed role was last used, the zero Time for never.
	// RoleUseKnown says whether there is a managed role of which that is known.
	RoleLastUsed time.Time
	RoleUseKnown bool
}

// IdentityOptions are the options of NewIdentities.
type IdentityOptions struct {
	// Leading says whether this replica is the leader. What a standby knows is
	// outdated, and would be counted twice in sums.
	Leading func() bool
	List    func() iter.Seq[Identity]
	// Sources and States are those that are counted even if no identity has them.
	Sources, States []string
	// Named adds the series of each identity, with its namespace and name.
	Named bool
}

// identities computes its series at each scrape. So series of deleted objects
// disappear, and tens of thousands of them cost no memory in between.
type identities struct {
	IdentityOptions

	// zero holds the counts of no identities, by source and state.
	zero     map[[2]string]float64
	count    *prometheus.Desc
	earliest *prometheus.Desc
	expiry   *prometheus.Desc
	notReady *prometheus.Desc
	lastUsed *prometheus.Desc
}

// NewIdentities returns a collector of the identities that opts.List yields. It has no
// series while opts.Leading returns false.
func NewIdentities(opts IdentityOptions) prometheus.Collector {
	c := &identities{
		IdentityOptions: opts,
		zero:            map[[2]string]float64{},
		count: prometheus.NewDesc(namespace+"_identities",
			"Identities by kind of object and state.", []string{"source", "state"}, nil),
		earliest: prometheus.NewDesc(namespace+"_credentials_earliest_expiration_timestamp_seconds",
			"When the first credentials of all identities of a kind of object expire, in seconds since the epoch.", []string{"source"}, nil),
		expiry: prometheus.NewDesc(namespace+"_credentials_expiration_timestamp_seconds",
			"When the credentials in an identity's Secret expire, in seconds since the epoch.",
			[]string{"source", "namespace", "name"}, nil),
		notReady: prometheus.NewDesc(namespace+"_identity_not_ready",
			"1 for each identity that is not ready, with its state and the reason of the event.",
			[]string{"source", "namespace", "name", "state", "reason"}, nil),
		lastUsed: prometheus.NewDesc(namespace+"_role_last_used_timestamp_seconds",
			"When a managed role was last used according to IAM, in seconds since the epoch, 0 for never.",
			[]string{"source", "namespace", "name"}, nil),
	}
	for _, source := range opts.Sources {
		for _, state := range opts.States {
			c.zero[[2]string{source, state}] = 0
		}
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *identities) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.count
	ch <- c.earliest
	if c.Named {
		ch <- c.expiry
		ch <- c.notReady
		ch <- c.lastUsed
	}
}

// Collect implements prometheus.Collector.
func (c *identities) Collect(ch chan<- prometheus.Metric) {
	if !c.Leading() {
		return
	}
	counts, earliest := maps.Clone(c.zero), map[string]time.Time{}
	for id := range c.List() {
		counts[[2]string{id.Source, id.State}]++
		first, known := earliest[id.Source]
		if !id.Expiration.IsZero() && (!known || id.Expiration.Before(first)) {
			earliest[id.Source] = id.Expiration
		}
		if c.Named {
			c.collectNamed(ch, id)
		}
	}
	for key, n := range counts {
		ch <- prometheus.MustNewConstMetric(c.count, prometheus.GaugeValue, n, key[0], key[1])
	}
	for source, first := range earliest {
		ch <- prometheus.MustNewConstMetric(c.earliest, prometheus.GaugeValue, float64(first.Unix()), source)
	}
}

// collectNamed sends the series of one identity.
func (c *identities) collectNamed(ch chan<- prometheus.Metric, id Identity) {
	if !id.Ready {
		ch <- prometheus.MustNewConstMetric(c.notReady, prometheus.GaugeValue, 1,
			id.Source, id.Namespace, id.Name, id.State, id.Reason)
	}
	if !id.Expiration.IsZero() {
		ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue,
			float64(id.Expiration.Unix()), id.Source, id.Namespace, id.Name)
	}
	if id.RoleUseKnown {
		ch <- prometheus.MustNewConstMetric(c.lastUsed, prometheus.GaugeValue,
			timestamp(id.RoleLastUsed), id.Source, id.Namespace, id.Name)
	}
}

// timestamp returns a time in seconds since the epoch, 0 for the zero Time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
