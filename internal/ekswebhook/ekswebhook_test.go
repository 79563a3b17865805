package ekswebhook

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

func TestIs(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"on EKS":                                  {`{metadata: {name: pod-identity-webhook}, webhooks: [{name: iam-for-pods.amazonaws.com, clientConfig: {url: "https://127.0.0.1:23443/mutate"}}]}`, true},
		"by the manifests of its authors":         {`{metadata: {name: pod-identity-webhook}, webhooks: [{name: pod-identity-webhook.amazonaws.com, clientConfig: {service: {name: pod-identity-webhook, namespace: default, path: /mutate}}}]}`, true},
		"of another name":                         {`{metadata: {name: irsa}, webhooks: [{name: pod-identity-webhook.amazonaws.com}]}`, true},
		"on OpenShift":                            {`{metadata: {name: pod-identity-webhook}, webhooks: [{name: pod-identity-webhook.aws.mutate.io}]}`, true},
		"by its label":                            {`{metadata: {name: a}, webhooks: [{name: b.c.d, objectSelector: {matchExpressions: [{key: eks.amazonaws.com/skip-pod-identity-webhook, operator: DoesNotExist}]}}]}`, true},
		"by its Service":                          {`{metadata: {name: a}, webhooks: [{name: b.c.d, clientConfig: {service: {name: amazon-eks-pod-identity-webhook, namespace: n, path: /mutate}}}]}`, true},
		"by its configuration and URL":            {`{metadata: {name: pod-identity-webhook}, webhooks: [{name: b.c.d, clientConfig: {url: "https://127.0.0.1:4443/mutate"}}]}`, true},
		"second of two":                           {`{metadata: {name: a}, webhooks: [{name: b.c.d}, {name: iam-for-pods.amazonaws.com}]}`, true},
		"Azure's, on OpenShift":                   {`{metadata: {name: pod-identity-webhook}, webhooks: [{name: pod-identity-webhook.azure.mutate.io, clientConfig: {service: {name: pod-identity-webhook, namespace: n, path: /mutate-v1-pod}}}]}`, false},
		"another at the same path":                {`{metadata: {name: a}, webhooks: [{name: b.c.d, clientConfig: {service: {name: other, namespace: n, path: /mutate}}}]}`, false},
		"ours":                                    {`{metadata: {name: kube-aws-iam-controller-webhook}, webhooks: [{name: pods.iam.amazonaws.com, clientConfig: {service: {name: kube-aws-iam-controller-webhook, namespace: n, path: /mutate-pods}}}]}`, false},
		"one that calls nothing":                  {`{metadata: {name: pod-identity-webhook}}`, false},
		"a URL that cannot be read":               {`{metadata: {name: pod-identity-webhook}, webhooks: [{name: b.c.d, clientConfig: {url: "://"}}]}`, false},
		"a Service without a path":                {`{metadata: {name: a}, webhooks: [{name: b.c.d, clientConfig: {service: {name: pod-identity-webhook, namespace: n}}}]}`, false},
		"a selector of labels of somebody else's": {`{metadata: {name: a}, webhooks: [{name: b.c.d, objectSelector: {matchLabels: {a: b}}}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			var c admissionregistrationv1.MutatingWebhookConfiguration
			require.NoError(t, yaml.Unmarshal([]byte(tc.text), &c))
			assert.Equal(t, tc.want, Is(&c))
		})
	}
}
