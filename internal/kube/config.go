// Package kube connects to the API server. It provides the configuration, the clients, and
// informers that cache only the fields in use.
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

// Options configure the connection to the API server.
type Options struct {
	// Kubeconfig is the path of a kubeconfig file. APIServer is the URL of an API server
	// that needs no credentials, such as kubectl proxy. If both are empty, the pod's
	// ServiceAccount is used.
	Kubeconfig, APIServer string
	// Config replaces Kubeconfig and APIServer unless it is nil.
	Config *rest.Config
	// QPS limits the requests per second of the process, with a burst of twice as many.
	// Events get at most a quarter of it, and lookups for admission take precedence.
	// Requests for the Lease are not counted.
	QPS float64
	// Allowed is called before every write except those of the Lease. The request fails
	// with its error. A nil Allowed permits all.
	Allowed func() error
	// UserAgent identifies the controller in the logs of the API server.
	UserAgent string
	Logger    log.Logger
}

// requestTimeout bounds every request except watches, so that an unresponsive API server
// does not block workers forever.
const requestTimeout = 30 * time.Second

// Clients are the clients of one cluster.
type Clients struct {
	// Core writes Secrets and reads Pods. Events is a separate client, so that a burst of
	// Events does not delay Secrets.
	Core, Events kubernetes.Interface
	// Lease reads and writes the Lease. It shares neither the rate limit nor the fencing
	// of the other clients.
	Lease kubernetes.Interface
	// Reviews authenticates and authorizes requests for metrics. It is not fenced, because
	// reviews change nothing and standby replicas serve metrics too.
	Reviews kubernetes.Interface
	// Metadata writes ServiceAccounts. Lookup reads them during admission, without
	// waiting for a burst of writes. LookupUntrusted does the same, at a separate rate, for
	// requests that are not identified as the API server's.
	Metadata, Lookup, LookupUntrusted metadata.Interface
	// Roles reads and writes AWSIAMRoles.
	Roles *awsiamrole.Client

	logger log.Logger
	host   string
	// The clients for watches have no request timeout, which would end a watch.
	watchingMetadata metadata.Interface
	watchingRoles    *awsiamrole.Client
}

// Connect returns the clients of a cluster. It makes no request.
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
	c.LookupUntrusted, errs[8] = metadata.NewForConfig(limited(brief, rates.untrusted))
	c.Reviews, errs[9] = kubernetes.NewForConfig(protobuf(limited(unfenced, newReviews(rates.work, opts.QPS))))
	if err = errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("make clients: %w", err)
	}
	return &c, nil
}

// config returns the configuration that the options select.
func config(opts Options) (*rest.Config, error) {
	if opts.Config != nil {
		return rest.CopyConfig(opts.Config), nil
	}
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

// protobuf returns a copy of cfg that prefers protobuf, which takes a fraction of the CPU
// time of JSON.
func protobuf(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = runtime.ContentTypeProtobuf
	cfg.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return cfg
}
