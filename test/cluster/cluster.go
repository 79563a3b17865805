package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Cluster is a running control plane. Its components can be killed and started again one by one.
type Cluster struct {
	*Access
	Etcd      *Component
	APIServer *Component
	// ControllerManager is nil when the options leave it out.
	ControllerManager *Component

	bins  Bins
	ports ports
	// address is the API server's.
	address string
	remove  func() error
}

// ports of the control plane on 127.0.0.1, which stay the same when a component is started again.
type ports struct{ etcd, etcdPeer, apiServer int }

// Start runs a control plane and returns when it is ready: it answers, and ServiceAccounts and the root certificate
// appear in namespaces. The context bounds the waiting, not the life of the control plane, which ends with Stop.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	bins, err := Binaries(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	dir, remove, err := options.makeDir()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Access: &Access{dir: dir}, bins: bins, address: options.address(), remove: remove}
	if err := c.prepare(ctx, options); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare writes what the components read, and decides how to run them.
func (c *Cluster) prepare(ctx context.Context, options Options) error {
	if err := os.MkdirAll(c.LogsDir(), 0o700); err != nil {
		return fmt.Errorf("directory for logs: %w", err)
	}
	free, err := FreePorts(ctx, 3)
	if err != nil {
		return err
	}
	c.ports = ports{etcd: free[0], etcdPeer: free[1], apiServer: free[2]}
	kubeconfig, err := c.writeCredentials()
	if err != nil {
		return err
	}
	if c.Access, err = newAccess(kubeconfig, c.bins.Kubectl, c.dir); err != nil {
		return err
	}
	return c.defineComponents(options)
}

// start lets etcd and the API server come up side by side: the latter retries until it reaches the former.
func (c *Cluster) start(ctx context.Context) error {
	if err := c.Etcd.launch(ctx); err != nil {
		return err
	}
	if err := c.APIServer.launch(ctx); err != nil {
		return err
	}
	if err := c.Etcd.WaitReady(ctx); err != nil {
		return err
	}
	if err := c.APIServer.WaitReady(ctx); err != nil {
		return err
	}
	if c.ControllerManager == nil {
		return nil
	}
	return c.ControllerManager.Start(ctx)
}

// Stop kills what runs and removes a temporary directory. There is nothing to end gently, since what matters is in
// files already.
func (c *Cluster) Stop() error {
	for _, component := range []*Component{c.ControllerManager, c.APIServer, c.Etcd} {
		if component != nil {
			component.Kill()
		}
	}
	return c.remove()
}

// LogsDir returns the directory with the log of each component, and the audit log.
func (c *Cluster) LogsDir() string { return filepath.Join(c.dir, "logs") }
