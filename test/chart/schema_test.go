package chart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	"sigs.k8s.io/yaml"
)

func TestWhatIsMadeIsUpToDate(t *testing.T) {
	dir, err := Dir()
	require.NoError(t, err)
	made, err := Made()
	require.NoError(t, err)
	for name, want := range made {
		got, failed := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, failed)
		assert.Equal(t, string(want), string(got), "%s: run make chart", name)
	}
	entries, err := os.ReadDir(filepath.Join(dir, CopiesDir))
	require.NoError(t, err)
	assert.Len(t, entries, len(sources), "there is nothing else among the copies")
}

// refused are values that stop an installation, and what is said of them.
var refused = map[string]struct{ values, because string }{
	"no name of the cluster":           {`{}`, "clusterName is required: name this cluster"},
	"an empty name of the cluster":     {`{clusterName: ""}`, "clusterName is required"},
	"a name with a slash":              {`{clusterName: a/b}`, "clusterName"},
	"an unknown value":                 {`{clusterName: c, clustername: c}`, "clustername"},
	"an unknown value further down":    {`{clusterName: c, image: {registry: r}}`, "registry"},
	"a value that is only Helm's":      {`{clusterName: c, fullnameOverride: x}`, "fullnameOverride"},
	"replicas as text":                 {`{clusterName: c, replicaCount: "2"}`, "replicaCount"},
	"a number as tag":                  {`{clusterName: c, image: {tag: 1.2}}`, "tag"},
	"a tag in the repository":          {`{clusterName: c, image: {repository: "r@sha256:0"}}`, "repository"},
	"a digest without its kind":        {`{clusterName: c, image: {digest: abcdef}}`, "digest"},
	"a pull policy that there is not":  {`{clusterName: c, image: {pullPolicy: Sometimes}}`, "pullPolicy"},
	"a quote in the policy's image":    {`{clusterName: c, admission: {sidecar: {image: "x'+'y"}}}`, "image"},
	"a quote in the policy's limits":   {`{clusterName: c, admission: {sidecar: {limits: {cpu: "1'"}}}}`, "cpu"},
	"text in a security context":       {`{clusterName: c, admission: {sidecar: {securityContext: {procMount: x}}}}`, "procMount"},
	"a Region that is none":            {`{clusterName: c, admission: {defaultRegion: Frankfurt}}`, "defaultRegion"},
	"a way of admission that is none":  {`{clusterName: c, admission: {mode: sidecar}}`, "mode"},
	"credentials of no mode":           {`{clusterName: c, aws: {credentials: {mode: kiam}}}`, "mode"},
	"a role that is no ARN":            {`{clusterName: c, aws: {credentials: {mode: irsa, roleArn: controller}}}`, "roleArn"},
	"IRSA without a role":              {`{clusterName: c, aws: {credentials: {mode: irsa}}}`, "aws.credentials.mode irsa needs aws.credentials.roleArn"},
	"web identity without a role":      {`{clusterName: c, aws: {credentials: {mode: webIdentity}}}`, "aws.credentials.mode webIdentity needs"},
	"a role without a use":             {`{clusterName: c, aws: {credentials: {roleArn: "arn:aws:iam::123456789012:role/c"}}}`, "has no effect with aws.credentials.mode default"},
	"IRSA of somebody else's account":  {`{clusterName: c, serviceAccount: {create: false, name: x}, aws: {credentials: {mode: irsa, roleArn: "arn:aws:iam::123456789012:role/c"}}}`, "annotate it with eks.amazonaws.com/role-arn yourself"},
	"a Secret without the mode":        {`{clusterName: c, aws: {credentials: {existingSecret: s}}}`, "go together"},
	"the mode without a Secret":        {`{clusterName: c, aws: {credentials: {mode: existingSecret}}}`, "go together"},
	"a boundary that is no policy":     {`{clusterName: c, managedRoles: {permissionsBoundary: "arn:aws:iam::123456789012:role/b"}}`, "permissionsBoundary"},
	"a boundary, and roles without":    {`{clusterName: c, managedRoles: {permissionsBoundary: "arn:aws:iam::123456789012:policy/b", allowWithoutBoundary: true}}`, "leave one of them out"},
	"a tag with a comma":               {`{clusterName: c, managedRoles: {tags: {a: "b,c"}}}`, "tags"},
	"a number as a tag":                {`{clusterName: c, managedRoles: {tags: {a: 1}}}`, "tags"},
	"a force of nothing":               {`{clusterName: c, irsaAnnotations: {force: true}}`, "irsaAnnotations.force has no effect without irsaAnnotations.enabled"},
	"IRSA read twice":                  {`{clusterName: c, irsaAnnotations: {enabled: true}, aws: {credentials: {mode: podIdentity}}}`, "irsaAnnotations.enabled is not for EKS"},
	"text instead of a boolean":        {`{clusterName: c, irsaAnnotations: {enabled: "force"}}`, "enabled"},
	"a path without its slash":         {`{clusterName: c, managedRoles: {path: /x}}`, "path"},
	"more roles than IAM has":          {`{clusterName: c, managedRoles: {maxPerNamespace: 10001}}`, "maxPerNamespace"},
	"a check that there is not":        {`{clusterName: c, namespaces: {requireExternalId: some}}`, "requireExternalId"},
	"a webhook of one namespace":       {`{clusterName: c, namespaces: {only: a}, admission: {mode: webhook}}`, "admission.mode webhook is for a controller of all namespaces"},
	"rules of all, in one namespace":   {`{clusterName: c, namespaces: {only: a, protectRules: true}}`, "namespaces.protectRules concerns all namespaces"},
	"authentication in one namespace":  {`{clusterName: c, namespaces: {only: a}, metrics: {authentication: {enabled: true}}}`, "needs permissions on the cluster"},
	"names for some and for all":       {`{clusterName: c, metrics: {insecureIdentityMetrics: true, authentication: {enabled: true}}}`, "metrics.insecureIdentityMetrics has no effect with metrics.authentication"},
	"an argument that is no flag":      {`{clusterName: c, extraArgs: [debug]}`, "extraArgs"},
	"a label that is a number":         {`{clusterName: c, podLabels: {a: 1}}`, "podLabels"},
	"a name of the pods' own":          {`{clusterName: c, podLabels: {app.kubernetes.io/name: x}}`, "podLabels must not set app.kubernetes.io/name"},
	"an instance of the pods' own":     {`{clusterName: c, podLabels: {app.kubernetes.io/instance: x}}`, "podLabels must not set app.kubernetes.io/instance"},
	"the controller, injected":         {`{clusterName: c, podLabels: {iam.amazonaws.com/inject: "true"}}`, "podLabels must not set iam.amazonaws.com/inject"},
	"a webhook that is another":        {`{clusterName: c, podLabels: {iam.amazonaws.com/webhook-path: x}}`, "podLabels must not set iam.amazonaws.com/webhook-path"},
	"a name of all objects":            {`{clusterName: c, commonLabels: {app.kubernetes.io/name: x}}`, "commonLabels must not set app.kubernetes.io/name"},
	"somebody else's release":          {`{clusterName: c, commonLabels: {app.kubernetes.io/managed-by: x}}`, "commonLabels must not set app.kubernetes.io/managed-by"},
	"pods that no setting restarts":    {`{clusterName: c, podAnnotations: {checksum/settings: x}}`, "podAnnotations must not set checksum/settings"},
	"a strategy that there is not":     {`{clusterName: c, strategy: {type: BlueGreen}}`, "strategy"},
	"no time to finish":                {`{clusterName: c, terminationGracePeriodSeconds: 5}`, "terminationGracePeriodSeconds"},
	"a DNS policy that there is not":   {`{clusterName: c, dnsPolicy: Node}`, "dnsPolicy"},
	"no DNS":                           {`{clusterName: c, dnsPolicy: None}`, "dnsPolicy None needs dnsConfig"},
	"an object without a kind":         {`{clusterName: c, extraObjects: [{apiVersion: v1, metadata: {name: x}}]}`, "extraObjects"},
	"runbooks without the slash":       {`{clusterName: c, metrics: {prometheusRule: {runbookBaseURL: "https://example.com"}}}`, "runbookBaseURL"},
	"a certificate of nobody":          {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: vault}}}}`, "mode"},
	"a certificate without a webhook":  {`{clusterName: c, admission: {webhook: {certificate: {mode: certManager}}}}`, "has no effect without the webhook"},
	"cert-manager that waits for us":   {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: certManager}}}}`, "needs admission.webhook.excludedNamespaces"},
	"a certificate of no authority":    {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: existingSecret}}}}`, "go together"},
	"an authority of no certificate":   {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {caCertificate: x}}}}`, "go together"},
	"the controller's own certificate": {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: certManager, secretName: kube-aws-iam-controller-webhook}, excludedNamespaces: [cert-manager]}}}`, "name another one"},
	"an issuer without cert-manager":   {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {issuerRef: {name: x}}}}}`, "issuerRef has no effect"},
	"an issuer without a name":         {`{clusterName: c, admission: {mode: webhook, webhook: {certificate: {mode: certManager, issuerRef: {kind: ClusterIssuer}}, excludedNamespaces: [cert-manager]}}}`, "issuerRef needs a name"},
	"a volume without a name":          {`{clusterName: c, extraVolumes: [{emptyDir: {}}]}`, "extraVolumes"},
	"a log format that there is not":   {`{clusterName: c, logging: {format: xml}}`, "format"},
	"everything scraped twice":         {`{clusterName: c, metrics: {serviceMonitor: {enabled: true}, podMonitor: {enabled: true}}}`, "enable one of them"},
	"a PodMonitor with a token":        {`{clusterName: c, metrics: {podMonitor: {enabled: true}, authentication: {enabled: true}}}`, "enable metrics.serviceMonitor instead"},
	"an account that nobody creates":   {`{clusterName: c, serviceAccount: {create: false}}`, "serviceAccount.create=false needs serviceAccount.name"},
	"a budget that is neither":         {`{clusterName: c, podDisruptionBudget: {maxUnavailable: one}}`, "maxUnavailable"},
	"a pull secret that is but a name": {`{clusterName: c, imagePullSecrets: [regcred]}`, "imagePullSecrets"},
}

func TestValuesThatCannotBeMeantAreRefused(t *testing.T) {
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			_, err := Release{Namespace: "kube-system", Values: values(t, c.values)}.Render(t.Context())
			require.ErrorContains(t, err, c.because)
		})
	}
}

// accepted are values at the edge of what is refused.
var accepted = map[string]string{
	"what Helm gives to dependencies":   `{clusterName: c, global: {imageRegistry: r}}`,
	"resources without a default":       `{clusterName: c, resources: {requests: {cpu: 1}, limits: null}}`,
	"labels of somebody else's":         `{clusterName: c, podLabels: {app.kubernetes.io/part-of: x, team: a}, commonLabels: {team: a}}`,
	"no limits of the sidecar":          `{clusterName: c, admission: {sidecar: {limits: {cpu: null, memory: null}}}}`,
	"a budget in percent":               `{clusterName: c, podDisruptionBudget: {maxUnavailable: 50%}}`,
	"a registry with a port":            `{clusterName: c, image: {repository: "localhost:5000/x"}}`,
	"a partition of AWS":                `{clusterName: c, aws: {credentials: {mode: webIdentity, roleArn: "arn:aws-us-gov:iam::123456789012:role/a/c"}}}`,
	"a policy of AWS as boundary":       `{clusterName: c, managedRoles: {permissionsBoundary: "arn:aws:iam::aws:policy/PowerUserAccess"}}`,
	"a namespace with a policy for all": `{clusterName: c, namespaces: {only: a}, admission: {mode: policy}}`,
}

func TestValuesThatCanBeMeantAreNotRefused(t *testing.T) {
	for name, text := range accepted {
		t.Run(name, func(t *testing.T) {
			_, err := Release{Namespace: "kube-system", Values: values(t, text)}.Render(t.Context())
			require.NoError(t, err)
		})
	}
}

func values(t *testing.T, text string) (read map[string]any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(text), &read))
	return read
}

func TestHelmLintFindsNothing(t *testing.T) {
	dir, err := Dir()
	require.NoError(t, err)
	lint := action.NewLint()
	lint.Strict, lint.Namespace = true, "kube-system"
	for name, i := range installations {
		result := lint.Run([]string{dir}, i.valuesOf(t))
		assert.Empty(t, result.Errors, name)
		for _, message := range result.Messages {
			if !strings.Contains(message.Error(), "icon is recommended") {
				assert.Fail(t, name, message.Error())
			}
		}
	}
}
