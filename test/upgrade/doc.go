// Package upgrade puts this version in the place of the one before, on one cluster and one AWS, and back again: what a workload
// has, it keeps.
package upgrade
