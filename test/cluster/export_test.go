package cluster

import "context"

// Attach and Leave are what Shared does for a package that shares a control plane with others.
var Attach = attach

func (c *Cluster) Leave(ctx context.Context) error { return c.leave(ctx) }

// Dir is the directory of a control plane.
func (c *Cluster) Dir() string { return c.dir }
