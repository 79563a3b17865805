// Package kit runs the whole of what users have: the controller's own binary, as its own ServiceAccount with its own
// rights, on a real API server, against simulated AWS. Integration tests, the demo and the benchmarks stand on it.
package kit
