package convert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

// FuzzConvert converts arbitrary text. Whatever it is, nothing panics, nothing is lost, no
// role that is asked for is passed over, and the second conversion changes nothing.
func FuzzConvert(f *testing.F) {
	inputs, err := filepath.Glob("../testdata/*/in.*")
	require.NoError(f, err)
	require.NotEmpty(f, inputs)
	for _, input := range inputs {
		data, readErr := os.ReadFile(input)
		require.NoError(f, readErr)
		f.Add(data, true)
		f.Add(data, false)
	}
	for _, hostile := range []string{
		"apiVersion: v1\nkind: List\nitems: &i\n- {apiVersion: v1, kind: List, items: *i}\n", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: s}, imagePullSecrets: &s [*s]}\n- {apiVersion: v1, kind: Pod, metadata: {annotations: {iam.amazonaws.com/role: a}}, spec: {serviceAccountName: s}}\n- {apiVersion: v1, kind: Pod, metadata: {annotations: {iam.amazonaws.com/role: b}}, spec: {serviceAccountName: s}}\n",
		"a: &a [*a]", "<<: *x", "&a {<<: *a}", "a: &a {b: *a}\nc: {<<: [*a, *a]}", "- &a\n  <<: *a", "---\n---\n...\n--- {a: b}\n%TAG", "\xff\xfe\x00a",
		"apiVersion: v1\nkind: Pod\nmetadata: {annotations: {iam.amazonaws.com/role: a}}\nspec: &s\n  <<: *s\n",
		"apiVersion: v1\nkind: Pod\nmetadata:\n  annotations:\n    ? iam.amazonaws.com/role\n    : a\nspec:\n  ? containers\n  : []\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: a, env: [{name: AWS_ROLE_ARN, value: a}, {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /t}]}\n" +
			"  - {name: b, env: [{name: AWS_ROLE_ARN, value: b}, {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /t}]}\n",
		"apiVersion: v1\nkind: List\nitems:\n- \n- 1\n- [a]\n- {kind: Pod}\n",
		"apiVersion: v1\nkind: List\nitems: &i\n- {apiVersion: v1, kind: List, items: *i}\n",
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ServiceAccount, metadata: {name: s}, imagePullSecrets: &s [*s]}\n" +
			"- {apiVersion: v1, kind: Pod, metadata: {annotations: {iam.amazonaws.com/role: a}}, spec: {serviceAccountName: s}}\n" +
			"- {apiVersion: v1, kind: Pod, metadata: {annotations: {iam.amazonaws.com/role: b}}, spec: {serviceAccountName: s}}\n",
		"apiVersion: a.b/v1\nkind: K\nmetadata: {name: k}\nspec: &s\n  serviceAccountName: s\n  serviceAccount: [*s]\n  <<: *s\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: &n s, annotations: {iam.amazonaws.com/role: a}}\nspec: {serviceAccountName: *n}\n---\n" +
			"apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {iam.amazonaws.com/role: b}}\nspec: {serviceAccountName: &n s, containers: [{name: *n}]}\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: '{{', namespace: '${N}', annotations: {iam.amazonaws.com/role: 'on'}}\nspec: {serviceAccountName: '%'}\n",
		"apiVersion: zalando.org/v1\nkind: AWSIAMRole\nmetadata: {name: r}\nspec: {roleReference: a}\n---\napiVersion: v1\nkind: Pod\n" +
			"spec:\n  containers:\n  - &c\n    args: &a [*a, *c, /r/x]\n    env: [{name: AWS_CONFIG_FILE, value: /r/x}]\n    volumeMounts: [{name: v, mountPath: /r}]\n" +
			"  volumes: [{name: v, projected: {sources: [{secret: {name: r, items: &i [*i]}}]}}, {name: w, csi: &d {secretRef: *d, secretName: r}}, {secret: {secretName: r}}]\n",
		"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - env: [{name: AWS_ROLE_ARN, value: a}, {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /t/../t//u/}]\n" +
			"    volumeMounts: [{name: v, mountPath: /t, subPath: ../s}, {mountPath: /t/u}, {name: v, mountPath: ''}]\n" +
			"  volumes: [{name: v, projected: &p {sources: &s [{serviceAccountToken: {path: u}}, *p, *s]}}]\n",
		"apiVersion: zalando.org/\nkind: AWSIAMRole\nmetadata: {name: done,namespace: team-a}\nspec: {roleReference: 0}\n---\napiVersion: 0\nkind: Pod\nmetadata: {namespace: team-a}\nspec:\n" +
			"  volumes: [{0},{name: 0,secret: {secretName: done}}]",
		"apiVersion: v1\nkind: Pod\nmetadata: {annotations: {iam.amazonaws.com/role: a}}\nspec: {containers: [{name:ppa , image: app}]}\n---\n" +
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: default, annotations: {iam.amazonaws.com/allowed-roles: '[\"a.*\"]'}}\na: [{b}]\n---\n" +
			"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, annotations: }\nsecrets: [{a:b , c: d}]\n",
	} {
		f.Add([]byte(hostile), true)
		f.Add([]byte(hostile), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, removeOld bool) {
		file := manifest.ReadFile("in", data)
		require.Equal(t, string(data), string(file.Bytes()), "reading loses nothing")
		read := len(file.Documents)
		asked := askings(file)
		once := convertBytes(t, file, removeOld, asked...)
		require.GreaterOrEqual(t, len(file.Documents), read)
		for _, d := range file.Documents {
			if !d.Changed() {
				require.Contains(t, string(once), d.Text(), "what did not change is as it was")
			} else if !d.Added() {
				require.NoError(t, d.Err)
			}
		}
		twice := manifest.ReadFile("in", once)
		require.Equal(t, string(once), string(convertBytes(t, twice, removeOld)), "the second time changes nothing")
	})
}

func convertBytes(t *testing.T, file *manifest.File, removeOld bool, asked ...asking) []byte {
	t.Helper()
	result, err := Convert([]*manifest.File{file}, Options{Namespace: "default", RemoveOld: removeOld})
	require.NoError(t, err)
	for _, finding := range result.Findings {
		require.NotContains(t, finding.Message, "%!")
	}
	for _, account := range result.Accounts {
		_, err = identity.ParseRole(account.Role.String())
		require.NoError(t, err)
	}
	for _, written := range result.Files[1:] {
		require.True(t, written.Added())
	}
	requireNoneLost(t, asked, after(result.Files), result.Findings)
	return file.Bytes()
}

// after returns all documents of files, as they are read again.
func after(files []*manifest.File) *manifest.File {
	var all manifest.File
	for _, file := range files {
		all.Documents = append(all.Documents, manifest.ReadFile(file.Name, file.Bytes()).Documents...)
	}
	return &all
}

func TestAccountNamesAreValidWhateverTheRole(t *testing.T) {
	for role, want := range map[string]string{
		"App_Role":              "app-role",
		"+=,.@-":                "role-",
		"default":               "role-default-",
		strings.Repeat("a", 64): strings.Repeat("a", 64),
		"team/Reader.Europe":    "reader-europe",
	} {
		ref, err := identity.ReadRole(role)
		require.NoError(t, err)
		got := accountFor(key{"team-a", defaultAccount}, &request{role: ref}, nil)
		require.True(t, strings.HasPrefix(got, want), got)
		require.Regexp(t, `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`, got)
		require.NotEqual(t, defaultAccount, got)
	}
}
