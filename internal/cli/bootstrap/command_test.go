package bootstrap

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes/scheme"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/cli/command"
)

const (
	account = "123456789012"
	role    = "arn:aws:iam::123456789012:role/controller"
)

// apiServer is an API server with a controller, whose ServiceAccount asks for its own role.
// It keeps what is written into Secrets, or refuses that and repeats it.
type apiServer struct {
	refuses bool
	written corev1.Secret
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body, _ := io.ReadAll(r.Body)
	code, answer := s.answer(r, string(body))
	w.WriteHeader(code)
	if answer == nil { // a watch, in which nothing happens
		w.(http.Flusher).Flush() //nolint:errcheck,forcetypeassert // that of a server is one
		<-r.Context().Done()
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *apiServer) answer(r *http.Request, body string) (int, any) {
	query := r.URL.Query()
	switch resource := path.Base(r.URL.Path); {
	case query.Get("sendInitialEvents") != "":
		return status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "lists are not streamed here")
	case query.Get("watch") != "":
		return http.StatusOK, nil
	case resource == "selfsubjectreviews":
		return http.StatusCreated, authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{
			UserInfo: authenticationv1.UserInfo{Username: "system:serviceaccount:aws:iam"},
		}}
	case resource == "deployments":
		deployment := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "aws", Name: "iam"}}
		deployment.Spec.Template.Spec.ServiceAccountName = "iam"
		deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "controller", Args: []string{"--cluster-name=prod", "--controller-role-arn=" + role}}}
		return http.StatusOK, appsv1.DeploymentList{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DeploymentList"}, Items: []appsv1.Deployment{deployment}}
	case resource == "serviceaccounts":
		return http.StatusOK, metadataList(serviceAccount())
	case strings.HasSuffix(r.URL.Path, "/serviceaccounts/iam"):
		return http.StatusOK, serviceAccount()
	case resource == "secrets" && r.Method == http.MethodGet:
		return http.StatusOK, metadataList()
	case resource == "secrets":
		_, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(body), nil, &s.written) // JSON or protobuf
		s.written.APIVersion, s.written.Kind = "v1", "Secret"
		text, failed := json.Marshal(s.written)
		if err = errors.Join(err, failed); err != nil || s.refuses { // validation quotes values, too
			return status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, fmt.Sprintf("Invalid value: %s %v", text, err))
		}
		return http.StatusCreated, s.written
	default:
		return status(http.StatusNotFound, metav1.StatusReasonNotFound, r.Method+" "+r.URL.String())
	}
}

func status(code int, reason metav1.StatusReason, message string) (int, any) {
	return code, metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Reason: reason, Code: int32(code), Message: message,
	}
}

func serviceAccount() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "aws", Name: "iam", UID: "uid", ResourceVersion: "1", Annotations: map[string]string{"iam.amazonaws.com/role": role}},
	}
}

func metadataList(items ...*metav1.PartialObjectMetadata) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadataList"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
	for _, item := range items {
		list.Items = append(list.Items, *item)
	}
	return list
}

// useAWS has AWS be a simulation, asked by an administrator, in which the controller's role
// trusts one principal. It returns the simulation.
func useAWS(t *testing.T, trusted string) *awssim.Server {
	t.Helper()
	sim, err := awssim.Start(t.Context(), awssim.New(awssim.Options{}))
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	for _, user := range []string{"admin", "other"} {
		_, err = sim.AddUser(account, user, true)
		require.NoError(t, err)
	}
	_, err = sim.AddRole(awssim.RoleSpec{
		Account: account, Name: "controller", Admin: true,
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + trusted + `"},"Action":"sts:AssumeRole"}]}`,
	})
	require.NoError(t, err)
	creds, err := sim.UserCredentials(account, "admin")
	require.NoError(t, err)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": creds.AccessKeyID, "AWS_SECRET_ACCESS_KEY": creds.SecretAccessKey, "AWS_REGION": "eu-central-1",
		"AWS_ENDPOINT_URL_STS": sim.URL(), "AWS_ENDPOINT_URL_IAM": sim.URL(), "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	return sim
}

// dataOf returns what a Secret has of credentials, as it is and as the API has it.
func dataOf(secret corev1.Secret) (values []string) {
	for _, key := range []string{api.CredentialsKey, api.CredentialsJSONKey, api.AuthorizationTokenKey} {
		if value := secret.Data[key]; len(value) > 0 {
			values = append(values, base64.StdEncoding.EncodeToString(value), string(value))
		}
	}
	return values
}

func TestCredentialsAreWrittenAndNeverPrinted(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted string
		refuses bool
		args    []string
		// issues reports that there are credentials, which could be printed, written that
		// they were sent to the API server.
		issues, written bool
		says, fail      string
	}{
		"written":             {trusted: account, issues: true, written: true, says: "Written. The session lasts until"},
		"a dry run":           {trusted: account, args: []string{"--dry-run"}, says: "Nothing was changed: this was a dry run"},
		"the Secret refused":  {trusted: account, refuses: true, issues: true, written: true, fail: "iam.aws-iam"},
		"the role refused":    {trusted: "arn:aws:iam::123456789012:user/other", fail: "assume the controller's role"},
		"the role of its own": {trusted: "arn:aws:iam::123456789012:user/admin", issues: true, fail: "with its own session, as the controller will; nothing was written"},
		"an object not there": {trusted: account, args: []string{"serviceaccount/other"}, fail: "there is no"},
		"a flag not there":    {trusted: account, args: []string{"--recursive"}, fail: "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			sim := useAWS(t, tt.trusted)
			own := len(sim.IssuedSecrets()) // of the administrator
			objects := &apiServer{refuses: tt.refuses}
			server := httptest.NewServer(objects)
			t.Cleanup(server.Close)
			var out bytes.Buffer
			env := &command.Environment{
				IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, Flags: genericclioptions.NewConfigFlags(false), Version: "v1",
			}
			env.Flags.APIServer = &server.URL
			cmd := New(env)
			cmd.SetArgs(tt.args)
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			err := cmd.ExecuteContext(t.Context())
			printed := out.String()
			if tt.fail == "" {
				require.NoError(t, err, printed)
			} else {
				require.ErrorContains(t, err, tt.fail)
				printed += err.Error()
			}
			assert.Contains(t, printed, tt.says)
			issued, data := sim.IssuedSecrets(), dataOf(objects.written)
			assert.Equal(t, tt.issues, len(issued) > own, "something was there to print")
			assert.Equal(t, tt.written, strings.Contains(strings.Join(data, "\n"), issued[len(issued)-1]), "the Secret has the last session token")
			for _, value := range append(issued, data...) {
				assert.NotContains(t, printed, value)
			}
		})
	}
}
