package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	system "kube-aws-iam-controller/test/kit"
)

// bare makes the requests that cannot be avoided, and nothing else.
type bare struct {
	sts        *sts.Client
	kubernetes kubernetes.Interface
	namespace  string
}

func (b *bench) bare(namespace string) (*bare, error) {
	creds := b.aws.Credentials()
	config := rest.CopyConfig(b.AdminConfig())
	config.ContentType, config.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	return &bare{
		sts: sts.New(sts.Options{
			Region: "eu-central-1", BaseEndpoint: new(b.aws.URL()),
			Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken),
		}),
		kubernetes: client, namespace: namespace,
	}, err
}

// one serves a name with the role that all identities share.
func (b *bare) one(ctx context.Context, name string) error {
	return b.serve(ctx, name, system.ARN(system.AccountID, "", "app"))
}

// serve assumes a role and writes a Secret, with as much in it as the controller's.
func (b *bare) serve(ctx context.Context, name, role string) error {
	out, err := b.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: new(b.namespace + "." + name),
		ExternalId: new(b.namespace + "/" + clusterName), DurationSeconds: new(int32(3600)),
	})
	if err != nil {
		return err
	}
	file := fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\naws_expiration = %s\n",
		*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken, out.Credentials.Expiration)
	_, err = b.kubernetes.CoreV1().Secrets(b.namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Data:       map[string][]byte{"credentials": file, "credentials.json": file},
	}, metav1.CreateOptions{})
	return err
}

// all does one for n names, with as many workers, and returns how long it took.
func all(ctx context.Context, n, parallel int, one func(ctx context.Context, name string) error) (time.Duration, error) {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	begin := time.Now()
	for range parallel {
		group.Go(func() error {
			for i := range next {
				if err := one(ctx, fmt.Sprintf("app-%d", i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for i := range n {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := group.Wait()
	return time.Since(begin), err
}
