package attacks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is one of the attacker's that refers to the Secret of the ServiceAccount app, by lines of its spec.
func pod(account, spec string) string {
	return "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {serviceAccountName: " + account + ", " + spec + "}}"
}

const (
	container = "containers: [{name: c, image: registry.example/c"
	mounted   = container + ", volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, "
)

// podAttacks are tried with the Secret of another ServiceAccount of the namespace.
var podAttacks = podsThatRefer(map[string]string{
	"as a volume":                            mounted + "secret: {secretName: app.aws-iam}}]",
	"as an optional volume":                  mounted + "secret: {secretName: app.aws-iam, optional: true}}]",
	"as part of a projected volume":          mounted + "projected: {sources: [{downwardAPI: {}}, {secret: {name: app.aws-iam}}]}}]",
	"by a CSI driver's secret":               mounted + "csi: {driver: d.example.com, nodePublishSecretRef: {name: app.aws-iam}}}]",
	"by a CSI driver's attributes":           mounted + "csi: {driver: d.example.com, volumeAttributes: {secretName: app.aws-iam}}}]",
	"by a list in a CSI driver's attributes": mounted + `csi: {driver: d.example.com, volumeAttributes: {objects: "- objectName: app.aws-iam\n  key: credentials\n"}}}]`,
	"by JSON in a Flex volume's options":     mounted + `flexVolume: {driver: example.com/d, options: {secrets: '[{"name":"app.aws-iam"}]'}}}]`,
	"by an Azure file share":                 mounted + "azureFile: {shareName: s, secretName: app.aws-iam}}]",
	"by a Flex volume":                       mounted + "flexVolume: {driver: example.com/d, secretRef: {name: app.aws-iam}}}]",
	"by an iSCSI volume":                     mounted + "iscsi: {targetPortal: 127.0.0.1, iqn: iqn.2015-02.example.com:test, lun: 0, secretRef: {name: app.aws-iam}}}]",
	"in a variable":                          container + ", env: [{name: V, valueFrom: {secretKeyRef: {name: app.aws-iam, key: credentials}}}]}]",
	"in `envFrom`":                           container + ", envFrom: [{secretRef: {name: app.aws-iam}}]}]",
	"in a variable of an init container": container + "}], initContainers: [{name: i, image: registry.example/i, " +
		"env: [{name: V, valueFrom: {secretKeyRef: {name: app.aws-iam, key: credentials}}}]}]",
	"in a native sidecar":   container + "}], initContainers: [{name: i, image: registry.example/i, restartPolicy: Always, envFrom: [{secretRef: {name: app.aws-iam}}]}]",
	"in `imagePullSecrets`": container + "}], imagePullSecrets: [{name: app.aws-iam}]",
})

func podsThatRefer(specs map[string]string) (attacks []attack) {
	for _, how := range sortedKeys(specs) {
		attacks = append(attacks, attack{
			intent: "use another ServiceAccount's credentials in a pod, " + how, by: byGuard, guard: true,
			try: func(a *attacker) {
				a.ask("app", "role", a.own("app"))
				a.ask("other")
				a.got("app.aws-iam")
				err := a.kubectl(pod("other", specs[how]), "create", "-f", "-")
				a.forbidden(err)
				require.ErrorContains(a.t, err, "this pod runs as ServiceAccount other, and ")
				require.NoError(a.t, a.kubectl(pod("app", specs[how]), "create", "--dry-run=server", "-f", "-"), "its own")
			},
		})
	}
	return append(attacks, otherPods...)
}

var otherPods = []attack{
	{
		intent: "use another ServiceAccount's credentials in the pods of a Deployment", by: byGuard, guard: true,
		try: func(a *attacker) {
			a.ask("other")
			require.NoError(a.t, a.kubectl(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {selector: {matchLabels: {a: b}},
				template: {metadata: {labels: {a: b}}, spec: {serviceAccountName: other, `+container+`, envFrom: [{secretRef: {name: app.aws-iam}}]}]}}}}`,
				"create", "-f", "-"))
			a.eventually(func(ctx context.Context) error {
				list, err := a.tenant.CoreV1().Events(a.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=FailedCreate"})
				if err == nil && (len(list.Items) == 0 || !strings.Contains(list.Items[0].Message, "this pod runs as ServiceAccount other, and the container c")) {
					err = errors.New("it is not refused yet")
				}
				return err
			})
			pods, err := a.tenant.CoreV1().Pods(a.namespace).List(a.t.Context(), metav1.ListOptions{})
			require.NoError(a.t, err)
			assert.Empty(a.t, pods.Items)
		},
	},
	{
		intent: "use another ServiceAccount's credentials in a debugger that is attached to a pod", by: byGuard, guard: true,
		try: func(a *attacker) {
			_, err := a.Kubectl(a.t.Context(), "create", "rolebinding", "debug", "-n", a.namespace, "--clusterrole=cluster-admin", "--user=debugger")
			require.NoError(a.t, err)
			a.ask("other")
			require.NoError(a.t, a.kubectl(pod("other", container+"}]"), "create", "-f", "-"))
			profile := filepath.Join(a.t.TempDir(), "profile.json")
			require.NoError(a.t, os.WriteFile(profile, []byte(`{"envFrom":[{"secretRef":{"name":"app.aws-iam"}}]}`), 0o600))
			for _, how := range []string{"--container=debugger", "--copy-to=copy"} {
				_, err = a.Kubectl(a.t.Context(), "--as=debugger", "-n", a.namespace, "debug", "p", "--image=registry.example/d", "--attach=false", "--custom="+profile, how)
				a.forbidden(err)
			}
		},
	},
	{
		intent: "use another ServiceAccount's credentials to pull images, by `imagePullSecrets` of a ServiceAccount", by: byGuard, guard: true,
		try: func(a *attacker) {
			_, err := a.tenant.CoreV1().ServiceAccounts(a.namespace).Create(a.t.Context(), &corev1.ServiceAccount{
				ObjectMeta: metav1.ObjectMeta{Name: "other"}, ImagePullSecrets: []corev1.LocalObjectReference{{Name: "app.aws-iam"}},
			}, metav1.CreateOptions{})
			require.NoError(a.t, err)
			a.forbidden(a.kubectl(pod("other", container+"}]"), "create", "-f", "-"))
		},
	},
	{
		intent: "run a pod as another tenant's ServiceAccount", by: "pods run as ServiceAccounts of their own namespace",
		try: func(a *attacker) {
			a.forbidden(a.kubectl(pod("app", container+"}]"), "create", "-n", a.victim, "-f", "-"))
			a.forbidden(a.kubectl(pod("'"+a.victim+"/app'", container+"}]"), "create", "-f", "-"))
		},
	},
	{
		intent: "make the API server inspect a pod of a megabyte endlessly", by: "limits on what is inspected", guard: true,
		try: func(a *attacker) {
			a.ask("app", "role", a.own("app"))
			many := func(text string, n int) string { // numbered, as the API server wants names and paths to differ
				var all strings.Builder
				for i := range n {
					fmt.Fprintf(&all, text+", ", i)
				}
				return "[" + all.String() + "]"
			}
			data := "volumes: [{name: v, emptyDir: {}}]"
			for what, spec := range map[string]string{
				"sources of variables": container + ", envFrom: " + many("{prefix: p%d, secretRef: {name: app.aws-iam}}", 15_000) + "}]",
				"variables":            container + ", env: " + many("{name: V%d, value: v}", 20_000) + "}]",
				"mounts":               container + ", volumeMounts: " + many("{name: v, mountPath: /v/%d}", 4000) + "}], " + data,
				"a mount path":         container + ", volumeMounts: [{name: v, mountPath: /meta/" + strings.Repeat("x/../", 100_000) + "aws-iam}]}], " + data,
				"volumes":              container + "}], volumes: " + many("{name: v%d, emptyDir: {}}", 15_000),
				"containers":           "containers: " + many("{name: c%d, image: i}", 15_000),
				"imagePullSecrets":     container + "}], imagePullSecrets: " + many("{name: s%d}", 20_000),
			} {
				err := a.kubectl(pod("app", spec), "create", "--validate=false", "-f", "-")
				assert.NotContains(a.t, fmt.Sprint(err), "cost budget", what)
				a.forbidden(err)
			}
		},
	},
	{
		intent: "run a pod before its credentials exist, so that it falls back to the node's role", by: "the Secret is not an optional volume, and instance metadata is disabled for SDKs",
		try: func(a *attacker) {
			a.ask("app", "role", a.roles["app"])
			require.NoError(a.t, a.kubectl(pod("app", container+"}]"), "create", "-f", "-"))
			made, err := a.tenant.CoreV1().Pods(a.namespace).Get(a.t.Context(), "p", metav1.GetOptions{})
			require.NoError(a.t, err)
			assert.Contains(a.t, made.Spec.Containers[0].Env, corev1.EnvVar{Name: "AWS_EC2_METADATA_DISABLED", Value: "true"})
			for i := range made.Spec.Volumes {
				if v := made.Spec.Volumes[i]; v.Name == "aws-iam-credentials" {
					assert.Nil(a.t, v.Secret.Optional)
				}
			}
		},
	},
}
