package cluster

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Options say what differs from an ordinary control plane. The zero value is a complete one in a temporary directory.
type Options struct {
	// Dir holds etcd's data, keys, kubeconfigs and logs, and stays after Stop; a later control plane in it finds the
	// objects of the one before. Empty stands for a temporary directory, which Stop removes.
	Dir string
	// Address is where the API server listens, and what pods reach it by. Empty stands for 127.0.0.1, where no pod does.
	Address string
	// Progress is told of a long build. Nil says nothing.
	Progress io.Writer
	// APIServerFlags follow the usual flags of kube-apiserver, so that they win.
	APIServerFlags []string
	// ControllerManagerFlags follow the usual flags of kube-controller-manager, so that they win.
	ControllerManagerFlags []string
	// WithoutControllerManager leaves out garbage collection, default ServiceAccounts and the deletion of namespaces.
	WithoutControllerManager bool
	// Audit records each request, without bodies, for AuditEvents to read.
	Audit bool
}

func (o Options) address() string {
	if o.Address == "" {
		return "127.0.0.1"
	}
	return o.Address
}

// makeDir returns an absolute directory that exists, and how Stop disposes of it.
func (o Options) makeDir() (dir string, remove func() error, err error) {
	if o.Dir == "" {
		dir, err = os.MkdirTemp("", "control-plane-")
		return dir, func() error { return os.RemoveAll(dir) }, err
	}
	if dir, err = filepath.Abs(o.Dir); err != nil {
		return "", nil, fmt.Errorf("directory of the control plane: %w", err)
	}
	return dir, func() error { return nil }, os.MkdirAll(dir, 0o700)
}
