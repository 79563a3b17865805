package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"kube-aws-iam-controller/internal/identity"
)

func pending(name, account string, volumes ...corev1.VolumeSource) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name)},
		Spec:       corev1.PodSpec{ServiceAccountName: account, Volumes: []corev1.Volume{{Name: "other"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, v := range volumes {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{VolumeSource: v})
	}
	return pod
}

func mounted(secret string) corev1.VolumeSource {
	return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}
}

func projected(secret string) corev1.VolumeSource {
	return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{}},
		{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}},
	}}}
}

func failed(want identity.Desired) identity.Failed {
	return identity.Failed{Key: want.Key, SecretName: want.SecretName, Reason: "GetCredentialsFailed", Message: "Failed for " + want.String()}
}

// watching runs WarnPods for identities without credentials, in a synctest bubble,
// until the test ends.
func watching(t *testing.T, r *Reporter, without ...identity.Failed) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.WarnPods(ctx, func() iter.Seq[identity.Failed] { return slices.Values(without) })
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func lists(client *fake.Clientset) (n int) {
	for _, action := range client.Actions() {
		if action.Matches("list", "pods") {
			n++
		}
	}
	return n
}

func TestWaitingPodsGetEvents(t *testing.T) {
	optedOut := pending("opted-out", "app")
	optedOut.Labels = map[string]string{"iam.amazonaws.com/inject": "false"}
	pods := []runtime.Object{
		pending("a", "app"), pending("b", "other", mounted("app.aws-iam")), pending("c", "other", projected("app.aws-iam")),
		pending("d", "other", mounted("app")), pending("neither", "other", mounted("x")), optedOut,
	}
	for source, want := range map[identity.Source][]string{identity.ServiceAccount: {"a", "b", "c"}, identity.AWSIAMRole: {"d"}} {
		synctest.Test(t, func(t *testing.T) {
			r, client, said := reporter(pods...)
			watching(t, r, failed(desired(source)))
			r.Warn(desired(source), true, "GetCredentialsFailed", "Failed")
			time.Sleep(listDelay)
			synctest.Wait()
			assert.Len(t, said(), 1+len(want), "%s: the object and %v", source, want)
			list, ok := client.Actions()[0].(clienttesting.ListActionImpl)
			require.True(t, ok)
			assert.Equal(t, "status.phase=Pending", list.ListOptions.FieldSelector, "running pods are not asked for")
			assert.EqualValues(t, maxPage, list.ListOptions.Limit, "and few at once")
			assert.Empty(t, list.ListOptions.ResourceVersion, "for which the API server would ignore the limit")
		})
	}
}

func TestLaterPodGetsAnEventWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, said := reporter()
		watching(t, r, failed(desired(identity.ServiceAccount)))
		r.Warn(desired(identity.ServiceAccount), true, "InvalidAnnotation", "no role")
		time.Sleep(17 * time.Hour) // no event any more
		said()
		_, err := client.CoreV1().Pods("ns").Create(t.Context(), pending("late", "app"), metav1.CreateOptions{})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"Warning GetCredentialsFailed Failed for serviceaccount/ns/app involvedObject{kind=Pod,apiVersion=v1}"}, said())
		time.Sleep(58 * time.Minute)
		assert.Empty(t, said())
		time.Sleep(2 * time.Minute)
		assert.Len(t, said(), 1, "what lasts is said again when the event is gone")
	})
}

func TestNoListWhileAllAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, _ := reporter(pending("a", "app"))
		watching(t, r)
		time.Sleep(time.Hour)
		assert.Zero(t, lists(client))
	})
}

func TestFailuresOfANamespaceLeadToOneList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, _ := reporter(pending("a", "app"))
		var all []identity.Failed
		for i := range 1000 {
			want := desired(identity.ServiceAccount)
			want.Name, want.SecretName = fmt.Sprint(i), fmt.Sprintf("%d.aws-iam", i)
			all = append(all, failed(want))
		}
		watching(t, r, all...)
		for range 600 { // failing all the time
			r.Warn(desired(identity.ServiceAccount), true, "GetCredentialsFailed", "Failed")
			time.Sleep(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, lists(client), 33, "in a minute")
	})
}

func TestEventsPerListAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pods []runtime.Object
		for i := range 15 {
			pods = append(pods, pending(fmt.Sprintf("p%d", i), "app"))
		}
		r, _, said := reporter(pods...)
		watching(t, r, failed(desired(identity.ServiceAccount)))
		time.Sleep(listInterval)
		synctest.Wait()
		assert.Len(t, said(), maxWarnedPerList)
		time.Sleep(listInterval)
		synctest.Wait()
		assert.Len(t, said(), 5, "the others at the next look")
		time.Sleep(listInterval)
		synctest.Wait()
		assert.Empty(t, said())
	})
}

func TestAllPagesAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, said := reporter()
		pages := 0
		client.PrependReactor("list", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			list, _ := action.(clienttesting.ListActionImpl)
			assert.Equal(t, strings.Repeat("x", pages), list.ListOptions.Continue)
			pages++
			result := &corev1.PodList{Items: []corev1.Pod{*pending(fmt.Sprint(pages), "app")}}
			if pages < 3 {
				result.Continue = strings.Repeat("x", pages)
			}
			return true, result, nil
		})
		watching(t, r, failed(desired(identity.ServiceAccount)))
		time.Sleep(listInterval + time.Second)
		assert.Len(t, said(), 3)
	})
}

func TestListErrorsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, said := reporter()
		client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
		watching(t, r, failed(desired(identity.ServiceAccount)))
		time.Sleep(time.Hour)
		assert.Empty(t, said())
	})
}

// inNamespaces returns failed identities of n namespaces, "ns" the first, each with a
// pod that waits.
func inNamespaces(n int) (all []identity.Failed, pods []runtime.Object) {
	for i := range n {
		want, pod := desired(identity.ServiceAccount), pending(fmt.Sprintf("p%d", i), "app")
		if i > 0 {
			want.Namespace = fmt.Sprintf("ns-%d", i)
		}
		pod.Namespace = want.Namespace
		all, pods = append(all, failed(want)), append(pods, pod)
	}
	return all, pods
}

func TestListsOfAllNamespacesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, pods := inNamespaces(50)
		r, client, said := reporter(pods...)
		watching(t, r, all...)
		time.Sleep(listInterval)
		synctest.Wait()
		assert.Equal(t, listsAtOnce, lists(client))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.InDelta(t, listsAtOnce+listsPerSecond, lists(client), 1)
		time.Sleep(listInterval / 2)
		assert.Len(t, said(), len(all))
	})
}

func TestAListOfOneNamespaceForgetsNothingOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, pods := inNamespaces(2)
		r, client, said := reporter(pods...)
		watching(t, r, all...)
		time.Sleep(listInterval)
		synctest.Wait()
		require.Len(t, said(), 2)
		require.Equal(t, 2, lists(client))
		r.Warn(desired(identity.ServiceAccount), true, "GetCredentialsFailed", "Failed")
		time.Sleep(listDelay)
		synctest.Wait()
		assert.Equal(t, 3, lists(client))
		time.Sleep(listInterval)
		synctest.Wait()
		assert.Equal(t, 5, lists(client))
		assert.Len(t, said(), 1, "the event on the object only")
	})
}

func TestPodsThatNoLongerWaitAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, _ := reporter(pending("a", "app"), pending("b", "app"))
		watching(t, r, failed(desired(identity.ServiceAccount)))
		time.Sleep(listInterval)
		synctest.Wait()
		require.Len(t, r.waiting.warnedAt, 2)
		require.NoError(t, client.CoreV1().Pods("ns").Delete(t.Context(), "a", metav1.DeleteOptions{}))
		time.Sleep(listInterval)
		synctest.Wait()
		require.Len(t, r.waiting.warnedAt, 1)
		assert.Contains(t, r.waiting.warnedAt, types.UID("b"))
	})
}

func TestPagesOfANamespaceAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, client, _ := reporter()
		client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, &corev1.PodList{ListMeta: metav1.ListMeta{Continue: "x"}}, nil
		})
		watching(t, r, failed(desired(identity.ServiceAccount)))
		time.Sleep(2*listInterval - time.Second)
		assert.Equal(t, maxPages, lists(client))
	})
}
