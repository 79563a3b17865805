package chart

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	"how pods run": {
		base: "base",
		patches: `
  - target: {kind: Deployment, name: kube-aws-iam-controller}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: kube-aws-iam-controller, annotations: {reloader: "true"}}
      spec:
        strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}
        template:
          spec:
            hostNetwork: true
            dnsPolicy: ClusterFirstWithHostNet
            dnsConfig: {options: [{name: ndots, value: "1"}]}
            terminationGracePeriodSeconds: 60`,
		values: `{admission: {mode: none}, guard: {enabled: false}, deploymentAnnotations: {reloader: "true"}, hostNetwork: true, terminationGracePeriodSeconds: 60,
			strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}, dnsConfig: {options: [{name: ndots, value: "1"}]}}`,
	},
	"monitoring": {
		base: "base", components: []string{"monitoring"},
		// The chart scrapes the port that there is.
		patches: `
  - target: {kind: ServiceMonitor}
    patch: |
      - {op: remove, path: /spec/endpoints/1}`,
		values: "{admission: {mode: none}, guard: {enabled: false}, metrics: {serviceMonitor: {enabled: true}, prometheusRule: {enabled: true}, dashboards: {enabled: true}}}",
	},
	"before it is uninstalled": {
		base: "base", components: []string{"admission-policy", "admission-settings", "guard", "uninstall"}, values: `{uninstall: {managedRoles: delete}}`,
	},
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
	"annotations of IRSA, admission by policy": {
		base: "base", components: []string{"admission-policy", "admission-settings", "irsa-annotations"}, settings: []string{"KUBE_AWS_IAM_IRSA_ANNOTATIONS=true"},
		values: "{irsaAnnotations: {enabled: true}, guard: {enabled: false}}",
	},
	"annotations of IRSA by force, admission by webhook": {
		base: "base", components: []string{"webhook", "irsa-annotations"}, settings: []string{"KUBE_AWS_IAM_IRSA_ANNOTATIONS=force"},
		values: "{irsaAnnotations: {enabled: true, force: true}, admission: {mode: webhook}, guard: {enabled: false}}",
	},
	"annotations of IRSA in one namespace": {
		namespace: "team-a", base: "namespaced", settings: []string{"KUBE_AWS_IAM_IRSA_ANNOTATIONS=true"},
		values: "{irsaAnnotations: {enabled: true}, namespaces: {only: team-a}}",
	},
	"admission by webhook with a certificate of the installer's": {
		base: "base", components: []string{"webhook-static"},
		patches: `
  - target: {kind: MutatingWebhookConfiguration}
    patch: |
      - {op: add, path: /webhooks/0/clientConfig/caBundle, value: Y2VydGlmaWNhdGU=}`,
		values: "{admission: {mode: webhook, webhook: {certificate: {mode: existingSecret, caCertificate: certificate}}}, guard: {enabled: false}}",
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
	"metrics that name identities, for Prometheus only": {
		base: "base", settings: []string{"KUBE_AWS_IAM_INSECURE_IDENTITY_METRICS=true"},
		patches: `
  - target: {kind: NetworkPolicy}
    patch: |
      - {op: add, path: /spec/ingress/0/from, value: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}`,
		values: `{admission: {mode: none}, guard: {enabled: false}, networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]}}`,
	},
	"metrics that name identities, for everybody": {
		base: "base", settings: []string{"KUBE_AWS_IAM_INSECURE_IDENTITY_METRICS=true"},
		values: "{admission: {mode: none}, guard: {enabled: false}, metrics: {insecureIdentityMetrics: true}}",
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
	if !slices.Contains(i.components, "uninstall") {
		return rendered.Objects
	}
	hooks := slices.DeleteFunc(rendered.Hooks, func(hook unstructured.Unstructured) bool {
		return hook.GetAnnotations()["helm.sh/hook"] != "pre-delete"
	})
	return slices.Concat(rendered.Objects, hooks)
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
