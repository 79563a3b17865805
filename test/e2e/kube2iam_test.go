package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/kit"
	"kube-aws-iam-controller/test/node"
)

const (
	nodeRole        = "kube2iam-node"
	kube2iamSession = "kube2iam"
	// instanceSession is longer than other sessions of these tests: botocore goes on with expired credentials of an
	// instance, because it takes the metadata service to be down.
	instanceSession = time.Hour
)

// kube2iam stands in for the proxy of that name on the node. It knows pods by their address, and gives each the role in its
// annotation, which the node's own role assumes: https://github.com/jtblin/kube2iam#iam-roles.
type kube2iam struct {
	world   *world
	pods    corelisters.PodNamespaceLister
	node    *sts.Client
	address string
	server  *http.Server
}

// startKube2iam makes the node's role, and serves until stop or the end of the test.
func (w *world) startKube2iam(pods corelisters.PodNamespaceLister) *kube2iam {
	w.t.Helper()
	_, err := w.aws.AddRole(awssim.RoleSpec{
		Account: kit.AccountID, Name: nodeRole, Admin: true,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	require.NoError(w.t, err)
	creds, err := w.aws.RoleCredentials(kit.AccountID, nodeRole, "i-0123456789abcdef0", instanceSession)
	require.NoError(w.t, err)
	k := &kube2iam{world: w, pods: pods, address: net.JoinHostPort(node.Address, "0"), node: sts.New(sts.Options{
		Region: "eu-central-1", BaseEndpoint: new(w.aws.URL()), HTTPClient: &http.Client{},
		Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken),
	})}
	k.start()
	w.t.Cleanup(k.stop)
	return k
}

// start serves, at the same address each time.
func (k *kube2iam) start() {
	k.world.t.Helper()
	listener, err := new(net.ListenConfig).Listen(k.world.t.Context(), "tcp", k.address)
	require.NoError(k.world.t, err)
	k.address = listener.Addr().String()
	const metadata = "GET /latest/meta-data/"
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = w.Write([]byte("token"))
	})
	mux.HandleFunc(metadata+"instance-id", k.forPod(func(context.Context, *corev1.Pod) ([]byte, error) { return []byte("i-0123456789abcdef0"), nil }))
	mux.HandleFunc(metadata+"iam/security-credentials/{$}", k.forPod(func(_ context.Context, pod *corev1.Pod) ([]byte, error) { return []byte(roleOf(pod)), nil }))
	mux.HandleFunc(metadata+"iam/security-credentials/{role}", k.forPod(k.credentials))
	k.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func(server *http.Server) { _ = server.Serve(listener) }(k.server) // ends with stop
}

func (k *kube2iam) stop() { _ = k.server.Close() }

// roleOf is what a pod is annotated with, "" for nothing.
func roleOf(pod *corev1.Pod) string { return pod.Annotations["iam.amazonaws.com/role"] }

// forPod answers pods.
func (k *kube2iam) forPod(answer func(context.Context, *corev1.Pod) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		pod, err := k.podAt(r.RemoteAddr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		text, err := answer(r.Context(), pod)
		if err != nil || len(text) == 0 {
			http.Error(w, "no credentials for this pod", http.StatusNotFound)
			return
		}
		_, _ = w.Write(text)
	}
}

func (k *kube2iam) podAt(address string) (*corev1.Pod, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	all, err := k.pods.List(labels.Everything())
	for _, pod := range all {
		if pod.Status.PodIP == host {
			return pod, nil
		}
	}
	return nil, errors.Join(err, errors.New("there is no pod at "+host))
}

// credentials are a session of a pod's role, if that trusts the node.
func (k *kube2iam) credentials(ctx context.Context, pod *corev1.Pod) ([]byte, error) {
	role := roleOf(pod)
	if _, err := k.node.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String(kit.ARN(kit.AccountID, "", role)), RoleSessionName: aws.String(kube2iamSession),
	}); err != nil {
		return nil, err
	}
	creds, err := k.world.aws.RoleCredentials(kit.AccountID, role, kube2iamSession, instanceSession)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{
		"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": time.Now().UTC().Format(time.RFC3339),
		"AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey, "Token": creds.SessionToken,
		"Expiration": creds.Expires.UTC().Format(time.RFC3339),
	})
}
