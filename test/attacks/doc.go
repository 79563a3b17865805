// Package attacks has those who try to get at what is not theirs: tenants who may each edit a namespace of their own, strangers
// who reach the controller's ports, those who may create namespaces, and a thief of the controller's own token. They try it with what is
// shipped, a controller with the shipped rights under the shipped IAM policy. docs/security.md lists what they try.
package attacks
