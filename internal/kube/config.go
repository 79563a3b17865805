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
	// QPS is how many requests a second the process makes at most, twice as
	// many for a moment. Events have no more than a quarter of it, and reads that
	// pods wait for go first. Only those of the Lease are not counted.
	QPS float64
	// Allowed is asked before every request that changes something, the Lease's
	// excepted; an error is what becomes of the request. nil allows all.
	Allowed func() error
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
	// Lease reads and writes the Lease, and is neither limited nor fenced with
	// the others.
	Lease kubernetes.Interface
	// Reviews looks up who asks for metrics, on standbys as well: it changes
	// nothing.
	Reviews kubernetes.Interface
	// Metadata writes ServiceAccounts. Lookup reads them while a pod waits to
	// be admitted, and never behind a burst of writes; LookupUntrusted does so for
	// whoever may not be the API server, at a rate of its own.
	Metadata, Lookup, LookupUntrusted metadata.Interface
	// Roles reads and writes AWSIAMRoles.
	Roles *awsiamrole.Client

	logger log.Logger
	host   string
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
	brief := rest.CopyConfig(cfg)
	brief.Timeout = requestTimeout
	lease, unfenced := forLease(brief), brief
	brief = fence(brief, opts.Allowed)
	rates := newRates(opts.QPS)

	c := Clients{logger: opts.Logger, host: cfg.Host}
	var errs [10]error
	c.Core, errs[0] = kubernetes.NewForConfig(protobuf(limited(brief, rates.work)))
	c.Events, errs[1] = kubernetes.NewForConfig(protobuf(limited(brief, rates.events)))
	c.Lease, errs[2] = kubernetes.NewForConfig(protobuf(lease))
	c.Metadata, errs[3] = metadata.NewForConfig(limited(brief, rates.work))
	c.Lookup, errs[4] = metadata.NewForConfig(limited(brief, rates.admission))
	c.Roles, errs[5] = awsiamrole.NewClient(limited(brief, rates.work))
	c.watchingMetadata, errs[6] = metadata.NewForConfig(limited(cfg, rates.work))
	c.watchingRoles, errs[7] = awsiamrole.NewClient(limited(cfg, rates.work))
	c.LookupUntrusted, errs[8] = metadata.NewForConfig(limited(brief, rates.strange))
	c.Reviews, errs[9] = kubernetes.NewForConfig(protobuf(limited(unfenced, newReviews(rates.work, opts.QPS))))
	if err = errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make clients: %w", err)
	}
	return &c, nil
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
