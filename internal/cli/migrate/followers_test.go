package migrate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/internal/cli/migrate/convert"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// cluster has a Deployment that shares its ServiceAccount with a Rollout, and one that
// shares it with nothing else. Of a Rollout only what follows it is known.
var cluster = []string{
	`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: team-a, uid: web}, spec: {template: {metadata: {annotations: {iam.amazonaws.com/role: app}}, spec: {serviceAccountName: shared, containers: []}}}}`,
	`{apiVersion: apps/v1, kind: Deployment, metadata: {name: alone, namespace: team-a, uid: alone}, spec: {template: {metadata: {annotations: {iam.amazonaws.com/role: app}}, spec: {serviceAccountName: alone, containers: []}}}}`,
	`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: alone-1, namespace: team-a, uid: alone-1, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: alone, uid: alone, controller: true}]}, spec: {template: {spec: {serviceAccountName: alone, containers: []}}}}`,
	`{apiVersion: v1, kind: Pod, metadata: {name: alone-1-a, namespace: team-a, uid: alone-1-a, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: alone-1, uid: alone-1, controller: true}]}, spec: {serviceAccountName: alone, containers: []}}`,
	`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: canary-1, namespace: team-a, uid: canary-1, ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: canary, uid: canary, controller: true}]}, spec: {template: {metadata: {annotations: {iam.amazonaws.com/role: other}}, spec: {serviceAccountName: shared, containers: []}}}}`,
	`{apiVersion: v1, kind: Pod, metadata: {name: canary-1-a, namespace: team-a, uid: canary-1-a, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: canary-1, uid: canary-1, controller: true}]}, spec: {serviceAccountName: shared, containers: []}}`,
}

func TestPodsOfKindsThatAreNotReadShareTheirServiceAccount(t *testing.T) {
	var objects []runtime.Object
	for _, text := range cluster {
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(text), &object.Object))
		objects = append(objects, object)
	}
	listKinds := map[schema.GroupVersionResource]string{}
	for _, r := range resources {
		listKinds[r.GroupVersionResource] = "List"
	}
	for gvr, kind := range map[string]string{"deployments": "DeploymentList", "replicasets": "ReplicaSetList"} {
		listKinds[schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: gvr}] = kind
	}
	listKinds[schema.GroupVersionResource{Version: "v1", Resource: "pods"}] = "PodList"
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), listKinds, objects...)
	o := &options{}
	file, findings, err := o.readObjects(context.Background(), client, resources, metav1.NamespaceAll)
	require.NoError(t, err)
	assert.Empty(t, findings)
	assert.Equal(t, []convert.Use{{Namespace: "team-a", ServiceAccount: "shared", Owner: "Rollout team-a/canary", Kind: "Rollout.argoproj.io", Role: "other"}}, o.uses)

	result, err := convert.Convert([]*manifest.File{file}, convert.Options{Uses: o.uses})
	require.NoError(t, err)
	var names []string
	for _, account := range result.Accounts {
		names = append(names, account.Name)
	}
	assert.Equal(t, []string{"alone", "shared-app"}, names)
	require.Len(t, result.Findings, 2)
	assert.Equal(t, "cluster: Rollout team-a/canary: its pods use the ServiceAccount shared and objects of its kind are not read, so that shared gets no role, "+
		"and workloads that ask for one get another ServiceAccount; if its pods are described there, say where by --pod-template Rollout.argoproj.io=PATH", result.Findings[0].String())
	assert.Equal(t, "cluster: Rollout team-a/canary: its pods ask for other by iam.amazonaws.com/role, and objects of its kind are not read; "+
		"if its pods are described there, say where by --pod-template Rollout.argoproj.io=PATH", result.Findings[1].String())
	assert.True(t, result.Findings[1].Open)
}
