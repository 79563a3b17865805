// Package rights proves the RBAC that is shipped: that the controller works with it and is never refused anything, and
// that it is not more than that. Each single right is taken away once, and what the controller then lacks is seen.
package rights
