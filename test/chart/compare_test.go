package chart

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
)

const image = "registry.example.com/kube-aws-iam-controller:v1.2.3"

// An installation is the same by kustomize and by Helm.
type installation struct {
	namespace, base string
	components      []string
	settings        []string // of the ConfigMap, besides those that all have
	patches         string
	values          string
}

var installations = map[string]installation{
	"the whole cluster, admission by policy, the guard": {
		base: "base", components: []string{"admission-policy", "admission-settings", "guard"},
	},
	"settings of pods and of the controller": {
		base: "base", components: []string{"admission-policy", "admission-settings"},
		settings: []string{
			"KUBE_AWS_IAM_DEFAULT_REGION=eu-west-1", "KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE_PULL_POLICY=Always",
			"KUBE_AWS_IAM_CREDENTIALS_SERVER_REQUESTS=memory=24Mi", "KUBE_AWS_IAM_CREDENTIALS_SERVER_LIMITS=cpu=1,memory=32Mi",
			"KUBE_AWS_IAM_CREDENTIALS_SERVER_SECURITY_CONTEXT=privileged=false,runAsUser=2000000",
			"KUBE_AWS_IAM_PERMISSIONS_BOUNDARY=arn:aws:iam::123456789012:policy/b", "KUBE_AWS_IAM_ROLE_TAGS=cost=42,team=a", "KUBE_AWS_IAM_ROLE_PATH=/x/",
			"KUBE_AWS_IAM_MAX_ROLES_PER_NAMESPACE=0", "KUBE_AWS_IAM_REQUIRE_EXTERNAL_ID=off", "KUBE_AWS_IAM_NAMESPACE_RESTRICTIONS=true",
			"KUBE_AWS_IAM_LOG_FORMAT=json", "KUBE_AWS_IAM_DEBUG=true", "KUBE_AWS_IAM_BASE_ROLE_ARN=arn:aws:iam::123456789012:role/",
			"KUBE_AWS_IAM_ASSUME_ROLE=hop", "KUBE_AWS_IAM_SESSION_TAGS=true",
		},
		values: `
admission:
  defaultRegion: eu-west-1
  sidecar: {pullPolicy: Always, requests: {cpu: null, memory: 24Mi}, limits: {cpu: 1}, securityContext: {runAsUser: 2000000, privileged: false}}
guard: {enabled: false}
aws: {baseRoleArn: "arn:aws:iam::123456789012:role/", assumeRole: hop, sessionTags: true}
managedRoles: {permissionsBoundary: "arn:aws:iam::123456789012:policy/b", tags: {team: a, cost: "42"}, path: /x/, maxPerNamespace: 0}
namespaces: {requireExternalId: off, restrictions: true}
logging: {format: json, debug: true}`,
	},
	"a namespace of its own": {
		namespace: "iam", base: "base", components: []string{"admission-policy", "admission-settings", "guard"},
		patches: `
  - target: {kind: ValidatingAdmissionPolicy, name: kube-aws-iam-controller-guard-writes}
    patch: |
      - op: replace
        path: /spec/matchConditions/0/expression
        value: >-
          !(request.userInfo.username in [
            'system:serviceaccount:iam:kube-aws-iam-controller',
            'system:serviceaccount:kube-system:generic-garbage-collector',
            'system:serviceaccount:kube-system:namespace-controller',
            'system:kube-controller-manager'
          ])`,
	},
	"admission by webhook": {
		base: "base", components: []string{"webhook"},
		values: "{admission: {mode: webhook}, guard: {enabled: false}}",
	},
	"admission by webhook in a namespace of its own": {
		namespace: "iam", base: "base", components: []string{"webhook"},
		patches: `
  - target: {kind: MutatingWebhookConfiguration}
    patch: |
      - {op: replace, path: /webhooks/0/namespaceSelector/matchExpressions/0/values, value: [iam, kube-system]}`,
		values: "{admission: {mode: webhook}, guard: {enabled: false}}",
	},
	"no admission": {
		base: "base", values: "{admission: {mode: none}, guard: {enabled: false}}",
	},
	"one namespace": {
		namespace: "team-a", base: "namespaced", values: "{namespaces: {only: team-a}}",
	},
	"namespace rules": {
		base: "base", components: []string{"namespace-rules"},
		values: "{admission: {mode: none}, guard: {enabled: false}, namespaces: {protectRules: true}}",
	},
	"metrics for those who may read them": {
		base: "base", components: []string{"metrics-authentication"},
		values: "{admission: {mode: none}, guard: {enabled: false}, metrics: {authentication: {enabled: true}}}",
	},
	"IRSA": {
		base: "base",
		patches: `
  - target: {kind: ServiceAccount, name: kube-aws-iam-controller}
    patch: |
      - {op: add, path: /metadata/annotations, value: {eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/c"}}`,
		values: `{admission: {mode: none}, guard: {enabled: false}, aws: {credentials: {mode: irsa, roleArn: "arn:aws:iam::123456789012:role/c"}}}`,
	},
	"web identity": {
		base: "base",
		patches: `
  - target: {kind: Deployment, name: kube-aws-iam-controller}
    patch: |
      - op: add
        path: /spec/template/spec/volumes
        value: [{name: aws-credentials, projected: {sources: [{serviceAccountToken: {audience: sts.amazonaws.com, expirationSeconds: 3600, path: token}}]}}]
      - op: add
        path: /spec/template/spec/containers/0/volumeMounts
        value: [{name: aws-credentials, mountPath: /var/run/secrets/aws, readOnly: true}]
      - op: add
        path: /spec/template/spec/containers/0/env/-
        value: {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/aws/token}
      - op: add
        path: /spec/template/spec/containers/0/env/-
        value: {name: AWS_ROLE_ARN, value: "arn:aws:iam::123456789012:role/c"}`,
		values: `{admission: {mode: none}, guard: {enabled: false}, aws: {credentials: {mode: webIdentity, roleArn: "arn:aws:iam::123456789012:role/c"}}}`,
	},
}

func TestTheChartInstallsWhatTheManifestsDo(t *testing.T) {
	for name, i := range installations {
		t.Run(name, func(t *testing.T) {
			if i.namespace == "" {
				i.namespace = "kube-system"
			}
			i.settings = append(i.settings, "KUBE_AWS_IAM_CLUSTER_NAME=demo-cluster")
			want, got := byKey(t, i.kustomize(t)), byKey(t, i.helm(t))
			assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
			for key, text := range want {
				assert.Equal(t, text, got[key], key)
			}
		})
	}
}

// kustomize builds the installation from manifests.
func (i installation) kustomize(t *testing.T) []unstructured.Unstructured {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), i.write(t))
	require.NoError(t, err)
	stream, err := built.AsYaml()
	require.NoError(t, err)
	objects, err := Decode(string(stream))
	require.NoError(t, err)
	return objects
}

// write writes the installation's kustomization, and returns its directory.
func (i installation) write(t *testing.T) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	dir := t.TempDir()
	manifests, err := filepath.Rel(dir, filepath.Join(root, "manifests"))
	require.NoError(t, err)
	text := fmt.Sprintf("namespace: %s\nresources: [%s/%s]\ncomponents:\n", i.namespace, manifests, i.base)
	for _, component := range i.components {
		text += fmt.Sprintf("  - %s/components/%s\n", manifests, component)
	}
	name, tag, _ := strings.Cut(image, ":")
	text += fmt.Sprintf("images: [{name: kube-aws-iam-controller, newName: %s, newTag: %s}]\n", name, tag)
	text += "configMapGenerator:\n- name: kube-aws-iam-controller-settings\n  behavior: merge\n"
	if i.base == "base" {
		text += "  namespace: kube-system\n"
	}
	text += "  literals:\n"
	for _, literal := range append([]string{"AWS_REGION=eu-central-1", "KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE=" + image}, i.settings...) {
		text += fmt.Sprintf("  - %q\n", literal)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text+"patches:"+i.patches+"\n"), 0o600))
	return dir
}

// helm renders it from the chart.
func (i installation) helm(t *testing.T) []unstructured.Unstructured {
	t.Helper()
	rendered, err := Release{Namespace: i.namespace, Values: i.valuesOf(t)}.Render(t.Context())
	require.NoError(t, err)
	return rendered.Objects
}

func (i installation) valuesOf(t *testing.T) map[string]any {
	t.Helper()
	values := map[string]any{}
	require.NoError(t, yaml.Unmarshal([]byte(i.values), &values))
	values["clusterName"] = "demo-cluster"
	name, tag, _ := strings.Cut(image, ":")
	values["image"] = map[string]any{"repository": name, "tag": tag}
	aws, _ := values["aws"].(map[string]any)
	if aws == nil {
		aws = map[string]any{}
		values["aws"] = aws
	}
	aws["region"] = "eu-central-1"
	return values
}

// byKey returns objects by what they are, without the differences that there may be.
func byKey(t *testing.T, objects []unstructured.Unstructured) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range objects {
		alike(&object)
		text, err := yaml.Marshal(object.Object)
		require.NoError(t, err)
		key := hashed.ReplaceAllString(object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName(), "$1")
		if !own[object.GetKind()+" "+object.GetName()] {
			require.NotContains(t, found, key)
			found[key] = hashed.ReplaceAllString(string(text), "$1")
		}
	}
	return found
}

// own is what the chart has besides, so that it goes with the release.
var own = map[string]bool{"Lease kube-aws-iam-controller": true, "Secret kube-aws-iam-controller-webhook": true}

// hashed is how kustomize names what it generates.
var hashed = regexp.MustCompile(`(kube-aws-iam-controller-settings)-[a-z0-9]{10}\b`)

// alike removes what may differ: the labels that Helm's users expect, the annotation on pods in place of the hash that
// kustomize appends to the ConfigMap, that the CRD is kept, and the webhook's path, which the controller writes. Kustomize also
// gives policies a namespace, which the API server ignores, and folds the lines of their expressions in another way.
func alike(object *unstructured.Unstructured) {
	without(object.Object, "metadata.labels", "helm.sh/chart", "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version",
		"app.kubernetes.io/managed-by")
	without(object.Object, "metadata.annotations", "helm.sh/resource-policy")
	if strings.Contains(object.GetKind(), "AdmissionPolicy") {
		object.SetNamespace("")
		object.Object, _ = spaced(object.Object).(map[string]any)
	}
	without(object.Object, "spec.template.metadata.labels", "app.kubernetes.io/instance")
	without(object.Object, "spec.template.metadata.annotations", "checksum/settings")
	webhooks, found, _ := unstructured.NestedSlice(object.Object, "webhooks")
	for _, each := range webhooks {
		if webhook, is := each.(map[string]any); is {
			without(webhook, "clientConfig.service", "path")
		}
	}
	if found {
		object.Object["webhooks"] = webhooks
	}
}

// without removes keys of a map that is in an object, and the map if nothing is left.
func without(object map[string]any, path string, keys ...string) {
	fields := strings.Split(path, ".")
	for _, key := range keys {
		unstructured.RemoveNestedField(object, append(fields, key)...)
	}
	if left, found, _ := unstructured.NestedMap(object, fields...); found && len(left) == 0 {
		unstructured.RemoveNestedField(object, fields...)
	}
}

// spaced returns a value with single spaces in its strings.
func spaced(value any) any {
	switch value := value.(type) {
	case string:
		return strings.Join(strings.Fields(value), " ")
	case []any:
		for i := range value {
			value[i] = spaced(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = spaced(value[key])
		}
	}
	return value
}
