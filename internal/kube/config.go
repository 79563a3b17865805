// Package kube connects to the API server: configuration, clients, and
// informers that carry only what is read.
package kube

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"kube-aws-iam-controller/internal/awsiamrole"
)

// Options say where the API server is and how often to ask it.
type Options struct {
	// Kubeconfig is the path of a kubeconfig file, APIServer the URL of an
	// API server that needs no credentials, such as kubectl proxy. Without
	// either, the Pod's own ServiceAccount is used.
	Kubeconfig, APIServer string
	// QPS is how many requests a second are made at most, twice as many for
	// a moment. Events have a quarter of it, of their own.
	QPS float64
	// UserAgent names the controller in the API server's logs.
	UserAgent string
	Logger    log.Logger
}

// requestTimeout bounds every request but watches, so that an API server that
// does not answer holds no worker for ever.
const requestTimeout = 30 * time.Second

// Clients are the clients of one cluster.
type Clients struct {
	// Core writes Secrets and reads Pods. Events is another client, so that
	// a burst of events never delays a Secret.
	Core, Events kubernetes.Interface
	// Metadata writes ServiceAccounts. Lookup reads them while a pod waits to
	// be admitted, and never behind a burst of writes.
	Metadata, Lookup metadata.Interface
	// Roles reads and writes AWSIAMRoles.
	Roles *awsiamrole.Client

	logger log.Logger
	// The watching clients have no request timeout, which would end watches.
	watchingMetadata metadata.Interface
	watchingRoles    *awsiamrole.Client
}

// Connect returns clients. It makes no request.
func Connect(opts Options) (*Clients, error) {
	cfg, err := config(opts)
	if err != nil {
		return nil, err
	}
	cfg.UserAgent = opts.UserAgent
	cfg.QPS, cfg.Burst = float32(opts.QPS), max(1, int(2*opts.QPS))
	brief := rest.CopyConfig(cfg)
	brief.Timeout = requestTimeout

	c := Clients{logger: opts.Logger}
	var errs [6]error
	c.Core, errs[0] = kubernetes.NewForConfig(protobuf(brief))
	c.Events, errs[1] = kubernetes.NewForConfig(protobuf(quarter(brief)))
	c.Metadata, errs[2] = metadata.NewForConfig(brief)
	c.watchingMetadata, errs[3] = metadata.NewForConfig(cfg)
	c.Roles, errs[4] = awsiamrole.NewClient(brief)
	c.Lookup, errs[5] = metadata.NewForConfig(brief)
	if err = errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make clients: %w", err)
	}
	c.watchingRoles, err = awsiamrole.NewClient(cfg)
	return &c, err
}

func config(opts Options) (*rest.Config, error) {
	if opts.Kubeconfig != "" || opts.APIServer != "" {
		cfg, err := clientcmd.BuildConfigFromFlags(opts.APIServer, opts.Kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("read kubeconfig: %w", err)
		}
		return cfg, nil
	}
	cfg, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("not running in a cluster: give --kubeconfig or --apiserver")
	}
	if err != nil {
		return nil, fmt.Errorf("read the Pod's own configuration: %w", err)
	}
	return cfg, nil
}

// protobuf saves most of the time that JSON takes, for the types it knows.
func protobuf(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return cfg
}

func quarter(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst = cfg.QPS/4, max(1, cfg.Burst/4)
	return cfg
}
