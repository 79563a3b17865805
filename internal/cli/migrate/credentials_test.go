package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// credentials are values that no message may have.
var credentials = []string{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI-K7MDENG", "FwoGZXIvYXdzEJr-session"}

// keys are environment variables with credentials.
const keys = `
        - {name: AWS_ACCESS_KEY_ID, value: AKIAIOSFODNN7EXAMPLE}
        - {name: AWS_SECRET_ACCESS_KEY, value: wJalrXUtnFEMI-K7MDENG}
        - {name: AWS_SESSION_TOKEN, value: FwoGZXIvYXdzEJr-session}
`

// withKeys is a Deployment with credentials in its environment.
const withKeys = `apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: team-a}
spec:
  template:
    metadata: {annotations: {iam.amazonaws.com/role: app}}
    spec:
      serviceAccountName: app
      containers:
      - name: app
        env:` + keys

// secret is a manifest that holds credentials itself.
const secret = `apiVersion: v1
kind: Secret
metadata: {name: app-role, namespace: team-a, annotations: {iam.amazonaws.com/role: app}}
stringData:
  credentials: |
    aws_access_key_id = AKIAIOSFODNN7EXAMPLE
    aws_secret_access_key = wJalrXUtnFEMI-K7MDENG
    aws_session_token = FwoGZXIvYXdzEJr-session
`

func TestCredentialsAreOnlyWhereTheManifestIs(t *testing.T) {
	for name, manifests := range map[string]string{
		"converted":                  withKeys,
		"of two roles":               strings.Replace(withKeys, "        env:\n", "        env:\n        - {name: AWS_ROLE_ARN, value: other}\n        - {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /token}\n", 1),
		"a token by hand":            strings.NewReplacer("{annotations: {iam.amazonaws.com/role: app}}", "{}", "        env:\n", "        env:\n        - {name: AWS_ROLE_ARN, value: app}\n        - {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /token}\n").Replace(withKeys),
		"an AWSIAMRole not read":     withKeys + "        - {name: AWS_SHARED_CREDENTIALS_FILE, value: /meta/credentials}\n        volumeMounts: [{name: aws, mountPath: /meta}]\n      volumes: [{name: aws, secret: {secretName: app-role}}]\n",
		"shared by anchors":          "apiVersion: v1\nkind: List\nitems:\n- &pod\n  apiVersion: v1\n  kind: Pod\n  metadata: {annotations: {iam.amazonaws.com/role: app}}\n  spec:\n    containers:\n      - name: app\n        env:" + keys + "- *pod\n",
		"with an opting-out label":   strings.Replace(withKeys, "metadata: {annotations", `metadata: {labels: {iam.amazonaws.com/inject: "false"}, annotations`, 1),
		"a kind that is not known":   strings.NewReplacer("apps/v1", "argoproj.io/v1alpha1", "Deployment", "Rollout").Replace(withKeys),
		"a template":                 strings.Replace(withKeys, "name: app,", "name: {{ .Release.Name },", 1),
		"a variable that is twice":   strings.Replace(withKeys, "value: wJ", "value: a, value: wJ", 1),
		"a value like an alias":      strings.Replace(withKeys, "value: wJ", "value: *wJ", 1),
		"a value like a tag":         strings.Replace(withKeys, "value: wJ", "value: !wJ", 1),
		"a value like a directive":   strings.Replace(withKeys, "value: wJ", "value: %wJ", 1),
		"a value with an odd escape": strings.Replace(withKeys, "value: wJalrXUtnFEMI-K7MDENG", `value: "wJalrXUtnFEMI-K7MDENG\q"`, 1),
		"a value as a number":        strings.Replace(withKeys, "value: wJ", "value: !!int wJ", 1),
		"a key as a name":            strings.Replace(withKeys, "name: AWS_SECRET_ACCESS_KEY, value: ", "", 1),
		"a Secret":                   secret,
		"a Secret that is broken":    strings.Replace(secret, "stringData:\n", "stringData:\n x: y\n", 1),
		"an array":                   "- {AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMI-K7MDENG}\n",
	} {
		for _, flag := range []string{"--remove-old", "--remove-old=false"} {
			t.Run(name+" "+flag, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "in.yaml")
				require.NoError(t, os.WriteFile(file, []byte(manifests), 0o600))
				stdout, stderr, code := migrate(t, "-f", file, "--cluster-name=prod", flag)
				require.Contains(t, []int{0, exitOpen}, code, stderr)
				for _, value := range credentials {
					assert.Equal(t, strings.Count(manifests, value), strings.Count(stdout, value), "what was read is printed, and once")
					assert.NotContains(t, stderr, value)
				}
			})
		}
	}
}
