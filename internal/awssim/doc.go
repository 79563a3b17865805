// Package awssim simulates AWS IAM and STS over HTTP, for tests, the demo and benchmarks.
// Clients are the AWS SDKs, so that signing, retries and decoding are tested too.
//
// It enforces the rules of AWS that affect a controller of IAM roles: signatures, trust policies with their conditions, principals that have
// to exist and are bound by unique ID, identity policies, permissions
// boundaries and inline session policies, names, sizes and quotas, the order of deletion, session limits
// and role chaining. Latency, faults, throttling and propagation delay are configurable.
//
// IAM Access Analyzer validates policies, with a few of its findings.
//
// Web identity federation verifies tokens with the keys of their issuer.
//
// It has one Region and no other services. Managed session policies, MFA, SAML and service
// control policies are not simulated. It shares no code with the controller, so that a bug
// in one does not hide in the other.
//
// Sources: the API references of IAM (2010-05-08) and STS (2011-06-15), and the
// IAM User Guide's pages on policy evaluation, condition operators and quotas.
package awssim
