// Package attacks has tenants who try to get at what is not theirs: each may edit a namespace of its own, and faces what is
// shipped, a controller with the shipped rights under the shipped IAM policy. docs/security.md lists what they try.
package attacks
