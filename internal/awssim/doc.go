// Package awssim simulates AWS IAM and STS over HTTP, for tests, the demo and
// benchmarks. The real SDKs are its clients: they sign, retry and decode.
//
// It enforces what AWS enforces and what a controller of IAM roles can trip
// over: signatures, trust policies with their conditions, principals that have
// to exist and are bound by unique id, identity policies and permissions
// boundaries, names, sizes and quotas, the order of deletion, session limits
// and role chaining. Latency, faults, throttling and propagation delay are had
// on demand.
//
// It knows one Region and no service but these two. Session policies, MFA,
// federation and service control policies are left out. It shares no code with
// the controller, so that it does not share its mistakes.
//
// Sources: the API references of IAM (2010-05-08) and STS (2011-06-15), and the
// IAM User Guide's pages on policy evaluation, condition operators and quotas.
package awssim
