// Package monitoring tries the alerts and the dashboard: with Debian's promtool, and with Debian's Prometheus, which scrapes
// a real controller whose simulated AWS breaks.
package monitoring
