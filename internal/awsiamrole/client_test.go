package awsiamrole

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

func TestClientReadsLists(t *testing.T) {
	list := &List{
		TypeMeta: metav1.TypeMeta{APIVersion: "zalando.org/v1", Kind: "AWSIAMRoleList"}, ListMeta: metav1.ListMeta{ResourceVersion: "7"},
		Items: []AWSIAMRole{*newRole(Spec{RoleReference: "app", RoleSessionDuration: 900})},
	}
	s := &server{status: http.StatusOK, object: list}
	apiServer := httptest.NewServer(s)
	t.Cleanup(apiServer.Close)
	cfg := &rest.Config{Host: apiServer.URL}
	client, err := NewClient(cfg)
	require.NoError(t, err)
	assert.Equal(t, &rest.Config{Host: apiServer.URL}, cfg, "the caller's configuration is left alone")
	got, err := client.Namespace("").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, "7", got.ResourceVersion)
	require.Len(t, got.Items, 1)
	assert.Equal(t, Spec{RoleReference: "app", RoleSessionDuration: 900}, got.Items[0].Spec)
	_, err = client.Namespace("ns").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /apis/zalando.org/v1/awsiamroles", "GET /apis/zalando.org/v1/namespaces/ns/awsiamroles"}, s.paths)
}

func TestUnusableConfigurationIsAnError(t *testing.T) {
	_, err := NewClient(&rest.Config{Host: "http://[::1"})
	assert.ErrorContains(t, err, "make a client for AWSIAMRoles: ")
}

func TestCopiesOfListsShareNoMetadata(t *testing.T) {
	list := &List{ListMeta: metav1.ListMeta{ResourceVersion: "7", RemainingItemCount: new(int64(1))}}
	c, is := list.DeepCopyObject().(*List)
	require.True(t, is)
	assert.Equal(t, list.ListMeta, c.ListMeta)
	*c.RemainingItemCount = 2
	assert.Equal(t, int64(1), *list.RemainingItemCount)
}
