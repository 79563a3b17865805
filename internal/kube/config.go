// Package kube connects to the API server. It provides the configuration, the clients, and
// informers that cache only the fields in use.
package kube

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
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
	// Metadata writes ServiceAccounts. Lookup reads them during admission, without
	// waiting for a burst of writes. LookupUntrusted does the same, at a separate rate, for
	// requests that are not identified as the API server's.
	Metadata, Lookup, LookupUntrusted metadata.Interface
	// Roles reads and writes AWSIAMRoles.
	Roles *awsiamrole.Client

	logger log.Logger
	host   string
	// The clients of the methods in resources.go, which say what each is for.
	core, events, lease, admission, authorization, tokenReviews, accessReviews rest.Interface
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
	c := Clients{logger: opts.Logger, host: cfg.Host}
	brief := rest.CopyConfig(cfg)
	brief.Timeout = requestTimeout
	rates := newRates(opts.QPS)
	fenced := fence(brief, opts.Allowed)
	work, lease, reviews := limited(fenced, rates.work), forLease(brief), limited(brief, newReviews(rates.work, opts.QPS))
	var errs [13]error
	c.core, errs[0] = restClient(work, corev1.SchemeGroupVersion)
	c.admission, errs[1] = restClient(work, admissionregistrationv1.SchemeGroupVersion)
	c.authorization, errs[2] = restClient(work, authorizationv1.SchemeGroupVersion)
	c.events, errs[3] = restClient(limited(fenced, rates.events), corev1.SchemeGroupVersion)
	c.lease, errs[4] = restClient(lease, coordinationv1.SchemeGroupVersion)
	c.tokenReviews, errs[5] = restClient(reviews, authenticationv1.SchemeGroupVersion)
	c.accessReviews, errs[6] = restClient(reviews, authorizationv1.SchemeGroupVersion)
	c.Metadata, errs[7] = metadata.NewForConfig(work)
	c.Lookup, errs[8] = metadata.NewForConfig(limited(fenced, rates.admission))
	c.LookupUntrusted, errs[9] = metadata.NewForConfig(limited(fenced, rates.untrusted))
	c.Roles, errs[10] = awsiamrole.NewClient(work)
	c.watchingMetadata, errs[11] = metadata.NewForConfig(limited(cfg, rates.work))
	c.watchingRoles, errs[12] = awsiamrole.NewClient(limited(cfg, rates.work))
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
