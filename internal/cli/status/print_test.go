package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kube-aws-iam-controller/internal/cli/command"
	"kube-aws-iam-controller/internal/cli/installation"
)

func examplesOf(left time.Duration) []Identity {
	return []Identity{
		{
			Kind: "ServiceAccount", Namespace: "demo", Name: "broken", State: Expired, Role: roleARN, Secret: "broken.aws-iam", ExternalID: "demo/prod",
			Expiration: new(metav1.NewTime(now.Add(-3 * time.Hour))),
			LastError:  &Problem{Reason: "GetCredentialsFailed", Message: "hostile\x1b[2J\nlines", Time: new(metav1.NewTime(now.Add(-time.Minute)))},
		},
		{Kind: "AWSIAMRole", Namespace: "demo", Name: "app", State: Ready, Managed: true, Secret: "app", Expiration: new(metav1.NewTime(now.Add(left)))},
		{Kind: "ServiceAccount", Namespace: "demo", Name: "idle", State: Ready, Managed: true, Secret: "idle.aws-iam", RoleUnused: true},
		{Kind: "ServiceAccount", Namespace: "demo", Name: "used", State: Ready, Managed: true, Secret: "used.aws-iam", RoleLastUsed: new(metav1.NewTime(now.Add(-100 * 24 * time.Hour)))},
	}
}

func TestTables(t *testing.T) {
	for name, tt := range map[string]struct {
		namespaces, wide bool
		want             string
	}{
		"of a namespace": {want: `
IDENTITY                ROLE        STATE     TIME LEFT        LAST USED   LAST ERROR
serviceaccount/broken   team/app    expired   expired 3h ago   -           GetCredentialsFailed (60s ago): hostile^[[2J lines
awsiamrole/app          (managed)   ready     42m              -           -
serviceaccount/idle     (managed)   ready     -                never       -
serviceaccount/used     (managed)   ready     -                100d ago    -
`},
		"wide, of all namespaces": {namespaces: true, wide: true, want: `
NAMESPACE   IDENTITY                ROLE                                      STATE     TIME LEFT        LAST USED   SECRET           EXPIRATION             EXTERNAL ID   LAST ERROR
demo        serviceaccount/broken   arn:aws:iam::123456789012:role/team/app   expired   expired 3h ago   -           broken.aws-iam   2030-01-02T00:04:05Z   demo/prod     GetCredentialsFailed (60s ago): hostile^[[2J lines
demo        awsiamrole/app          -                                         ready     42m              -           app              2030-01-02T03:46:05Z   -             -
demo        serviceaccount/idle     -                                         ready     -                never       idle.aws-iam     -                      -             -
demo        serviceaccount/used     -                                         ready     -                100d ago    used.aws-iam     -                      -             -
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, newTable(&out, tt.namespaces, tt.wide).write(examplesOf(42*time.Minute), now))
			assert.Equal(t, tt.want, "\n"+out.String())
		})
	}
}

func TestColorsDoNotDisturbColumns(t *testing.T) {
	plain, colored := bytes.Buffer{}, bytes.Buffer{}
	require.NoError(t, newTable(&plain, true, false).write(examplesOf(time.Hour), now))
	painted := newTable(&colored, true, false)
	painted.painter = true
	require.NoError(t, painted.write(examplesOf(time.Hour), now))
	assert.Contains(t, colored.String(), "\x1b[31mexpired\x1b[0m")
	text := colored.Bytes()
	for _, code := range []command.Color{command.Plain, command.Red, command.Green, "\x1b[0m"} {
		text = bytes.ReplaceAll(text, []byte(code), nil)
	}
	assert.Equal(t, plain.String(), string(text))
}

func TestALongErrorIsCutUnlessWide(t *testing.T) {
	long := examplesOf(0)[:1]
	long[0].LastError.Message = string(bytes.Repeat([]byte("é"), 200))
	var out bytes.Buffer
	require.NoError(t, newTable(&out, false, false).write(long, now))
	assert.Regexp(t, `GetCredentialsFailed \(60s ago\): é{47}…\n`, out.String())
}

func TestTheShapeOfJSON(t *testing.T) {
	for name, tt := range map[string]struct {
		all  []Identity
		want string
	}{
		"none": {nil, `{"apiVersion":"kube-aws-iam-controller/v1","kind":"IdentityList","items":[]}`},
		"some": {examplesOf(time.Hour), `{"apiVersion":"kube-aws-iam-controller/v1","kind":"IdentityList","items":[
			{"kind":"ServiceAccount","namespace":"demo","name":"broken","state":"expired","role":"arn:aws:iam::123456789012:role/team/app","managed":false,
			 "secret":"broken.aws-iam","externalID":"demo/prod","expiration":"2030-01-02T00:04:05Z",
			 "lastError":{"reason":"GetCredentialsFailed","message":"hostile\u001b[2J\nlines","time":"2030-01-02T03:03:05Z"}},
			{"kind":"AWSIAMRole","namespace":"demo","name":"app","state":"ready","managed":true,"secret":"app","expiration":"2030-01-02T04:04:05Z"},
			{"kind":"ServiceAccount","namespace":"demo","name":"idle","state":"ready","managed":true,"secret":"idle.aws-iam","roleUnused":true},
			{"kind":"ServiceAccount","namespace":"demo","name":"used","state":"ready","managed":true,"secret":"used.aws-iam","roleLastUsed":"2029-09-24T03:04:05Z"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			printer, err := command.StructuredPrinter("json", "wide")
			require.NoError(t, err)
			var out bytes.Buffer
			require.NoError(t, (&output{to: &out, structured: printer}).show(tt.all, now))
			require.True(t, json.Valid(out.Bytes()))
			assert.JSONEq(t, tt.want, out.String())
		})
	}
}

func TestAWatchTellsWhatChanged(t *testing.T) {
	same, renewed, gone, added := Identity{Name: "same", State: Ready}, Identity{Name: "renewed", State: Expiring}, Identity{Name: "gone", State: Ready}, Identity{Name: "added", State: Waiting}
	after := renewed
	after.State = Ready
	removed := gone
	removed.State = Removed
	assert.Equal(t, []Identity{added, after, removed}, changes([]Identity{same, renewed, gone}, []Identity{same, after, added}))
	assert.Empty(t, changes([]Identity{same}, []Identity{same}))
}

func TestNotes(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no"))
	assert.Equal(t, []string{
		"you may not list Secrets in the namespace demo, so whether and until when credentials were issued is not known, except from the status of AWSIAMRoles: ask for a role that allows it, see docs/kubectl-plugin.md",
	}, unseenNotes(unseen{secretsKind: forbidden}, "demo"))
	assert.Contains(t, emptyNote(scope{namespace: "demo"}, installation.Found{Controllers: []*installation.Controller{controllerOf("prod")}}, false),
		"kubectl annotate serviceaccount NAME --namespace demo iam.amazonaws.com/role=ROLE")
	assert.Contains(t, emptyNote(scope{}, installation.Found{}, false), "no controller is installed: see kubectl aws-iam check --pre")
	assert.NotContains(t, emptyNote(scope{}, installation.Found{Hidden: forbidden}, false), "no controller is installed", "it is not known")
	assert.Equal(t, "there is no namespace dmeo: kubectl get namespaces", emptyNote(scope{namespace: "dmeo"}, installation.Found{}, true))
}

func TestAControllerWhoseOwnSessionRunsOutIsSaid(t *testing.T) {
	c := controllerOf("prod")
	c.Config.CredentialsFile = "/var/run/secrets/aws/credentials.json"
	c.Container.VolumeMounts = []corev1.VolumeMount{{Name: "token", MountPath: "/var/run/secrets/tokens"}, {Name: "own", MountPath: "/var/run/secrets/aws/"}}
	c.Deployment.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "own", VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: "kube-aws-iam-controller.aws-iam"},
	}}}
	seed := Identity{
		Kind: "ServiceAccount", Namespace: "kube-system", Name: "kube-aws-iam-controller", Secret: "kube-aws-iam-controller.aws-iam",
		State: Expired, Expiration: new(metav1.NewTime(now.Add(-time.Hour))),
	}
	other := seed
	other.Namespace = "demo"
	notes := seedNotes([]*installation.Controller{c}, []Identity{other, seed}, now)
	require.Len(t, notes, 1)
	assert.Contains(t, notes[0], "the controller kube-system/kube-aws-iam-controller runs on credentials of its own making, kube-system/serviceaccount/kube-aws-iam-controller, which are expired (expired 60m ago)")
	assert.Contains(t, notes[0], "kubectl aws-iam bootstrap")
	seed.State = Ready
	assert.Empty(t, seedNotes([]*installation.Controller{c}, []Identity{seed}, now))
}

func TestNamesAloneAndTablesWithoutHeader(t *testing.T) {
	for name, tt := range map[string]struct {
		names bool
		want  string
	}{
		"names": {true, "serviceaccount/broken\nawsiamrole/app\nserviceaccount/idle\nserviceaccount/used\n"},
		"header": {false, `serviceaccount/broken   team/app    expired   expired 3h ago   -          GetCredentialsFailed (60s ago): hostile^[[2J lines
awsiamrole/app          (managed)   ready     42m              -          -
serviceaccount/idle     (managed)   ready     -                never      -
serviceaccount/used     (managed)   ready     -                100d ago   -
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			o := &output{to: &out, names: tt.names, table: newTable(&out, false, false)}
			o.table.begun = true
			require.NoError(t, o.show(examplesOf(42*time.Minute), now))
			assert.Equal(t, tt.want, out.String())
		})
	}
}

func TestAnUnknownFormatIsNamed(t *testing.T) {
	_, err := command.StructuredPrinter("xml", "wide")
	require.EqualError(t, err, "--output=xml: give one of wide, json, yaml")
}

func TestCopiesOfListsStandAlone(t *testing.T) {
	list := command.NewList(listKind, examplesOf(time.Hour))
	copied, is := list.DeepCopyObject().(*command.List[Identity])
	require.True(t, is)
	copied.Items[0].Name = "other"
	assert.Equal(t, "broken", list.Items[0].Name)
	assert.Implements(t, (*runtime.Object)(nil), list)
}
