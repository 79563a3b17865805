package migrate

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/serviceaccount"
)

func TestTheControllerUnderstandsEveryConvertedServiceAccount(t *testing.T) {
	understood := 0
	for _, e := range examples(t) {
		t.Run(filepath.Base(e.dir), func(t *testing.T) {
			stdout, _, _ := migrate(t, e.args...)
			for _, doc := range manifest.ReadFile("converted", []byte(stdout)).Documents {
				if doc.Err != nil || manifest.String(doc.Root, "kind") != api.ServiceAccountKind {
					continue
				}
				annotations := manifest.Strings(manifest.At(doc.Root, "metadata", "annotations"))
				if _, asks := annotations[api.RoleAnnotation]; !asks {
					continue
				}
				name := manifest.String(doc.Root, "metadata", "name")
				assert.Empty(t, validation.IsDNS1123Subdomain(name))
				desired, warning := controllerReads(t, name, annotations)
				assert.NotEmpty(t, desired.Role.Name)
				assert.Empty(t, warning)
				understood++
			}
		})
	}
	require.Greater(t, understood, 30)
}

// kubectl reads YAML 1.1, in which more words are booleans than the encoder knows.
func TestKubectlUnderstandsEveryConvertedServiceAccount(t *testing.T) {
	stdout, _, _ := migrate(t, "-f", "testdata/words-that-yaml-reads-otherwise/in.yaml")
	understood := 0
	for _, doc := range manifest.ReadFile("converted", []byte(stdout)).Documents {
		if manifest.String(doc.Root, "kind") == api.ServiceAccountKind {
			var account corev1.ServiceAccount
			require.NoError(t, yaml.UnmarshalStrict([]byte(doc.Text()), &account), doc.Text())
			assert.Equal(t, manifest.String(doc.Root, "metadata", "name"), account.Name)
			understood++
		}
	}
	require.Greater(t, understood, 20)
}

// controllerReads returns what the controller makes of a ServiceAccount's annotations.
func controllerReads(t *testing.T, name string, annotations map[string]string) (identity.Desired, string) {
	t.Helper()
	informer := cache.NewSharedIndexInformer(&cache.ListWatch{}, &metav1.PartialObjectMetadata{}, 0, cache.Indexers{})
	cached, err := serviceaccount.Annotations{}.Transform(&metav1.PartialObjectMetadata{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name, UID: "uid", Annotations: annotations},
	})
	require.NoError(t, err)
	require.NoError(t, informer.GetStore().Add(cached))
	source := serviceaccount.NewSource(nil, informer, serviceaccount.Config{
		ExternalID:  func(namespace string) string { return namespace + "/prod" },
		ClusterName: "prod",
		Base: func(context.Context) (identity.BaseRole, error) {
			return identity.BaseRole{Partition: "aws", Account: "123456789012"}, nil
		},
	})
	key := identity.Key{Source: identity.ServiceAccount, Namespace: "team-a", Name: name}
	desired, err := source.Desired(t.Context(), key)
	require.NoError(t, err)
	require.NotNil(t, desired)
	return *desired, source.Warning(key).Message
}

func TestAnUnknownVariableIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "account.yaml")
	require.NoError(t, os.WriteFile(file, []byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, annotations: {iam.amazonaws.com/role: $(namespce)-app}}\n"), 0o600))
	_, stderr, code := migrate(t, "-f", file, "--cluster-name=prod")
	assert.Equal(t, exitOpen, code)
	assert.Contains(t, stderr, `iam.amazonaws.com/role: the variable "$(namespce)" is not known: write $(namespace), or`)
}
