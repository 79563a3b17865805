package uninstall

import (
	"encoding/json"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// deployed is a Deployment with a number of replicas, and pods that end after a time.
type deployed struct {
	*workload

	client   *fake.Clientset
	replicas int32
	scaled   []int32
	ended    time.Time
}

func deploy(t *testing.T, replicas int32, objects ...runtime.Object) *deployed {
	t.Helper()
	d := &deployed{client: fake.NewClientset(objects...), replicas: replicas}
	d.client.PrependReactor("get", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		return action.GetSubresource() == "scale", d.scale(), nil
	})
	d.client.PrependReactor("patch", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch, is := action.(clienttesting.PatchAction)
		require.True(t, is)
		var scale autoscalingv1.Scale
		require.NoError(t, json.Unmarshal(patch.GetPatch(), &scale))
		d.replicas = scale.Spec.Replicas
		d.scaled = append(d.scaled, d.replicas)
		return true, &appsv1.Deployment{}, nil // what the API server answers is not looked at
	})
	d.workload = &workload{
		deployments: d.client.AppsV1().Deployments("ns"), pods: d.client.CoreV1().Pods("ns"),
		deployment: "iam", name: "ns/iam", elects: true,
		record: &record{leases: d.client.CoordinationV1().Leases("ns"), name: "lease"},
	}
	return d
}

func (d *deployed) scale() *autoscalingv1.Scale {
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: d.replicas}}
	scale.Status.Selector = "app=iam"
	if time.Now().Before(d.ended) {
		scale.Status.Replicas = 1
	}
	return scale
}

// lease is one with a record, "" for none, and an annotation of somebody else.
func lease(recorded string) *coordinationv1.Lease {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lease", Annotations: map[string]string{"a": "b"}}}
	if recorded != "" {
		l.Annotations["iam.amazonaws.com/replicas"] = recorded
	}
	return l
}

// annotations are those of the Lease. Reactors hold the lock of the client, but not that of its tracker.
func (d *deployed) annotations(t *testing.T) map[string]string {
	t.Helper()
	found, err := d.client.Tracker().Get(coordinationv1.SchemeGroupVersion.WithResource("leases"), "ns", "lease")
	require.NoError(t, err)
	l, is := found.(*coordinationv1.Lease)
	require.True(t, is)
	return l.Annotations
}

func TestReplicasAreRecordedBeforeTheControllerIsStopped(t *testing.T) {
	for name, objects := range map[string][]runtime.Object{
		"no Lease": nil, "a Lease": {lease("")}, "a record that is out of date": {lease("5")},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t, 2, objects...)
			d.client.PrependReactor("patch", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
				if d.replicas == 2 {
					assert.Equal(t, "2", d.annotations(t)["iam.amazonaws.com/replicas"], "whoever comes after a kill has to know")
				}
				return false, nil, nil
			})
			require.NoError(t, d.stop(t.Context()))
			require.NoError(t, d.checkStopped(t.Context()))
			require.NoError(t, d.start(t.Context()))
			assert.Equal(t, []int32{0, 2}, d.scaled)
			assert.NotContains(t, d.annotations(t), "iam.amazonaws.com/replicas")
		})
	}
}

func TestARunTakesOverTheRecordOfOneThatWasKilled(t *testing.T) {
	for recorded, want := range map[string]int32{"3": 3, "": 0, "x": 0, "-1": 0, "4294967298": 0, strconv.Itoa(maxReplicas + 1): 0} {
		d := deploy(t, 0, lease(recorded))
		require.NoError(t, d.stop(t.Context()))
		require.NoError(t, d.start(t.Context()))
		assert.Equal(t, want, d.replicas, recorded)
		assert.Equal(t, map[string]string{"a": "b"}, d.annotations(t))
	}
}

func TestARecordIsWrittenAgainIfTheLeaseWasRenewedMeanwhile(t *testing.T) {
	d := deploy(t, 2, lease(""))
	conflicts := 2
	d.client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		conflicts--
		return conflicts >= 0, nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, "lease", nil)
	})
	require.NoError(t, d.stop(t.Context()))
	assert.Equal(t, "2", d.annotations(t)["iam.amazonaws.com/replicas"])
}

func TestNothingIsScaledThatIsNotRecorded(t *testing.T) {
	d := deploy(t, 2, lease(""))
	d.client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "lease", nil)
	})
	require.ErrorContains(t, d.stop(t.Context()), "record in the Lease how many replicas the controller has: ")
	assert.Empty(t, d.scaled)
}

func TestAControllerThatSomebodyElseStartedIsLeftAlone(t *testing.T) {
	d := deploy(t, 2)
	require.NoError(t, d.stop(t.Context()))
	d.replicas = 3
	require.ErrorContains(t, d.checkStopped(t.Context()), "somebody has scaled the Deployment ns/iam to 3 meanwhile")
	require.NoError(t, d.start(t.Context()))
	assert.Equal(t, int32(3), d.replicas)
}

func TestPodsAreSeenToEnd(t *testing.T) {
	terminating := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "iam-1", Labels: map[string]string{"app": "iam"}}}
	other := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "other"}}
	for name, tt := range map[string]struct {
		elects  bool
		objects []runtime.Object
		ends    time.Duration
		says    string
	}{
		"in time":                        {elects: true, ends: 10 * time.Second},
		"too late":                       {elects: true, ends: time.Hour, says: "the pods of the Deployment ns/iam have not ended in time: 1 are left"},
		"terminating, without the Lease": {elects: true, objects: []runtime.Object{terminating}},
		"terminating, and there is no leader election": {objects: []runtime.Object{terminating, other}, says: "1 are left"},
		"no leader election":                           {objects: []runtime.Object{other}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := deploy(t, 2, tt.objects...)
				d.ended, d.elects = time.Now().Add(tt.ends), tt.elects
				err := d.stop(t.Context())
				if tt.says == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.says)
				}
			})
		})
	}
}
