package exec

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"
)

// annotatedRegion returns the Region that a ServiceAccount names. A malformed one, with
// which pods are refused, counts as none, and so does what the user may not see.
func annotatedRegion(ctx context.Context, client metadata.Interface, key identity.Key) string {
	account, err := client.Resource(serviceaccount.Resource).Namespace(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	region, err := identity.ParseRegion(account.Annotations[api.RegionAnnotation])
	if err != nil {
		return ""
	}
	return region
}

// configuredRegion returns the Region in the user's environment or AWS configuration files,
// "" for none. The program reads the files no more. Nobody is asked, and the user's own
// credentials, which may be set up as they like, are not looked at.
func configuredRegion(ctx context.Context) string {
	cfg, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{}), awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	if err != nil { // whose words may quote a configuration file
		return ""
	}
	return cfg.Region
}
