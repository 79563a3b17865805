package sts

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

// asPod returns credentials of the controller's role as EKS Pod Identity issues
// them.
func (w *world) asPod(disabled bool) aws.Credentials {
	w.t.Helper()
	creds, err := w.PodIdentityCredentials(awssim.PodIdentity{
		Account: home, Role: "controller", Cluster: "cluster", Namespace: "kube-system", ServiceAccount: "controller",
		Pod: "controller-0", UID: "4f3e", Lifetime: time.Hour, DisableSessionTags: disabled,
	})
	require.NoError(w.t, err)
	return creds
}

// taggable creates a role that requires the external ID and allows session tags.
func (w *world) taggable(name, condition string) string {
	w.t.Helper()
	me := `{"Effect":"Allow","Principal":{"AWS":"` + w.controller + `"},"Action":`
	return w.add(awssim.RoleSpec{Name: name, Trust: `{"Version":"2012-10-17","Statement":[` + me +
		`"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"` + externalID + `"}` + condition + `}},` + me + `"sts:TagSession"}]}`})
}

const noPodUIDCondition = `,"Null":{"aws:PrincipalTag/kubernetes-pod-uid":"true"}`

func TestTransitiveTagsAreCachedPerCredentials(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	creds := w.asPod(false)
	cfg := configFor(w.URL(), creds)
	cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	ask := func(role string) bool {
		why, err := a.TransitiveTags(t.Context(), wanting(t, role))
		require.NoError(t, err)
		return why != ""
	}
	one, two := w.taggable("one", ""), w.taggable("two", "")
	assert.True(t, ask(one))
	assert.True(t, ask(two))
	assert.Len(t, w.assumptions(), 1)
	assert.Equal(t, "kubernetes-pod-uid", w.assumptions()[0]["Tags.member.1.Key"])

	creds = w.asPod(true) // the association was changed, and the credentials rotated
	assert.False(t, ask(one))
	assert.False(t, ask(two))
	assert.Len(t, w.assumptions(), 2)
}

func TestUserCredentialsHaveNoTransitiveTags(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	carries, err := w.assumer(w.asUser(), Options{}).TransitiveTags(t.Context(), wanting(t, "arn:aws:iam::"+home+":role/none"))
	require.NoError(t, err)
	assert.Empty(t, carries)
	assert.Empty(t, w.assumptions())
}

func TestOtherDenialsDoNotTellTransitiveTags(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	a := w.assumer(w.asPod(false), Options{})
	_, err := a.TransitiveTags(t.Context(), wanting(t, "arn:aws:iam::"+home+":role/none"))
	require.ErrorContains(t, err, "see whether the controller's session carries tags of EKS Pod Identity: AccessDenied")
	w.requireHarmless(err)
	carries, err := a.TransitiveTags(t.Context(), wanting(t, w.taggable("app", "")))
	require.NoError(t, err, "it is asked again")
	assert.Contains(t, carries, "disable session tags")
}

func TestConflictingSessionTagsAreExplained(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	arn := w.taggable("app", "")
	_, err := w.assumer(w.asPod(false), Options{SessionTags: true, ClusterName: "cluster"}).Assume(t.Context(), wanting(t, arn))
	require.ErrorContains(t, err, "cannot be replaced by those of --session-tags: disable session tags on the controller's Pod Identity association (aws eks update-pod-identity-association")
	require.ErrorContains(t, err, "conflicts with a transitive tag key from the calling session", "AWS's own words stay")
	require.ErrorIs(t, err, identity.ErrRoleUnfit)
	w.requireHarmless(err)
	_, err = w.assumer(w.asPod(true), Options{SessionTags: true, ClusterName: "cluster"}).Assume(t.Context(), wanting(t, arn))
	require.NoError(t, err)
}

// underPodIdentity sets the environment variables that the webhook of Pod Identity
// sets.
func underPodIdentity(t *testing.T, dir string) aws.Config {
	t.Helper()
	agent := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(agent.Close)
	token := filepath.Join(t.TempDir(), dir, "serviceaccount", "eks-pod-identity-token")
	require.NoError(t, os.MkdirAll(filepath.Dir(token), 0o700))
	require.NoError(t, os.WriteFile(token, []byte("token"), 0o600))
	for name, value := range map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.URL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token, "AWS_REGION": "eu-central-1",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "HOME": t.TempDir(),
		"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_CONFIG_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	cfg, err := LoadConfig(t.Context(), ConfigOptions{})
	require.NoError(t, err)
	return cfg
}

func TestIsPodIdentity(t *testing.T) {
	cautioned := func(cfg aws.Config) bool {
		a, err := New(cfg, withQPS(Options{}))
		require.NoError(t, err)
		return a.PodIdentityWarning() != ""
	}
	t.Run("its token", func(t *testing.T) { assert.True(t, cautioned(underPodIdentity(t, "pods.eks.amazonaws.com"))) })
	t.Run("another's token", func(t *testing.T) { assert.False(t, cautioned(underPodIdentity(t, "example.org"))) })
	for address, want := range map[string]bool{"169.254.170.23": true, "[fd00:ec2::23]": true, "169.254.170.2": false} {
		t.Run(address, func(t *testing.T) {
			cfg := underPodIdentity(t, "example.org")
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://"+address+"/v1/credentials")
			assert.Equal(t, want, cautioned(cfg))
		})
	}
	t.Run("keys count for more", func(t *testing.T) {
		underPodIdentity(t, "pods.eks.amazonaws.com")
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
		cfg, err := LoadConfig(t.Context(), ConfigOptions{})
		require.NoError(t, err)
		assert.False(t, cautioned(cfg))
	})
}

func TestManagedRoleThatRejectsTagsIsExplained(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	want := wanting(t, w.taggable("own", noPodUIDCondition))
	want.Managed = &identity.ManagedRole{}
	const remedy = "aws eks update-pod-identity-association --cluster-name=<cluster> --association-id=<id> --disable-session-tags"

	a := w.assumer(w.asPod(false), Options{})
	_, err := a.Assume(t.Context(), want)
	require.ErrorIs(t, err, identity.ErrNotAssumable)
	assert.NotContains(t, err.Error(), remedy, "nothing says that it runs under Pod Identity")
	a.podIdentity = true
	_, err = a.Assume(t.Context(), want)
	require.ErrorContains(t, err, "The controller runs under EKS Pod Identity: if its session carries tags")
	require.ErrorContains(t, err, remedy)
	require.ErrorIs(t, err, identity.ErrNotAssumable, "it may only be late")
	w.requireHarmless(err)

	carries, err := a.TransitiveTags(t.Context(), wanting(t, w.taggable("before", "")))
	require.NoError(t, err)
	require.NotEmpty(t, carries)
	_, err = a.Assume(t.Context(), want)
	require.ErrorContains(t, err, "the roles that the controller makes refuse a session with tags of EKS Pod Identity, and the controller's own session carries tags")
	require.ErrorContains(t, err, remedy)
	require.NotErrorIs(t, err, identity.ErrNotAssumable, "that is told at once")
	require.ErrorIs(t, err, identity.ErrRoleUnfit)
	w.requireHarmless(err)

	a = w.assumer(w.asPod(true), Options{})
	_, err = a.Assume(t.Context(), want)
	require.NoError(t, err)
}

func TestTransitiveTagsOfReplacedCredentialsAreForgotten(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.add(awssim.RoleSpec{Name: "app", Trust: trusting(home, "another")})
	a := w.assumer(w.asRole(), Options{})
	a.transitiveTags.forKey("the access key before").value.Store(new(true))
	want := wanting(t, "app")
	want.Managed = &identity.ManagedRole{}
	_, err := a.Assume(t.Context(), want)
	require.ErrorIs(t, err, identity.ErrNotAssumable)
	assert.NotContains(t, err.Error(), tagsCarried)
}
