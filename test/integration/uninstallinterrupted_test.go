package integration

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"kube-aws-iam-controller/internal/awssim"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// interrupted starts the command, and returns while it deletes a role, which AWS does not answer.
func (w *installed) interrupted() *cluster.Process {
	w.t.Helper()
	w.aws.SetFaults(awssim.Fault{Action: "DeleteRole", Hang: true})
	env, args := w.job("--managed-roles=delete")
	running := w.startPlugin(env, args...)
	w.eventually(func(context.Context) error {
		log, err := os.ReadFile(w.log)
		if err == nil && !strings.Contains(string(log), w.namespace+"/kept: role retained") {
			err = errors.New("it has not begun yet")
		}
		return err
	})
	require.Zero(w.t, w.replicas())
	require.Equal(w.t, "2", w.recorded())
	return running
}

func TestAnUninstallThatWasKilledIsFinishedByTheNext(t *testing.T) {
	w := newInstalled(t)
	w.stop()
	w.interrupted().Kill()
	w.aws.SetFaults()
	code, out := w.uninstall("--managed-roles=delete")
	assert.Zero(t, code, out)
	assert.Contains(t, out, w.namespace+"/app: role deleted; finalizer removed")
	assert.Empty(t, w.finalizers("app"))
	assert.Zero(t, w.replicas())
	assert.Empty(t, w.recorded())
}

func TestAfterAnUninstallThatWasKilledTheNextStartsTheControllerAgainIfItFails(t *testing.T) {
	w := newInstalled(t)
	w.stop()
	w.interrupted().Kill()
	w.aws.SetFaults(awssim.Fault{Action: "DeleteRole", Code: "AccessDenied"})
	code, out := w.uninstall("--managed-roles=delete")
	assert.Equal(t, 1, code, out)
	assert.Equal(t, int32(2), w.replicas())
	assert.Empty(t, w.recorded())
	assert.NotEmpty(t, w.finalizers("app"))
}

func TestAnUninstallThatIsToldToEndStartsTheControllerAgain(t *testing.T) {
	w := newInstalled(t)
	w.stop()
	running := w.interrupted()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	code, err := running.Stop(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, code)
	assert.Equal(t, int32(2), w.replicas())
	assert.Empty(t, w.recorded())
}

func TestASecondUninstallLeavesTheControllerToTheFirst(t *testing.T) {
	kit.FullOnly(t, "it waits for the Lease")
	w := newInstalled(t)
	w.stop()
	w.interrupted().Kill()
	w.prolongLease()
	code, out := w.uninstall("--managed-roles=delete")
	assert.Equal(t, 1, code)
	assert.Contains(t, out, "another run of this command holds the Lease")
	assert.Zero(t, w.replicas(), "the first is at work")
	assert.Equal(t, "2", w.recorded())
}

// prolongLease has the Lease be held for an hour, as by a run that works for so long.
func (w *installed) prolongLease() {
	w.t.Helper()
	_, err := w.Client().CoordinationV1().Leases(kit.Namespace).Patch(w.t.Context(), w.namespace, types.MergePatchType,
		[]byte(`{"spec":{"leaseDurationSeconds":3600}}`), metav1.PatchOptions{})
	require.NoError(w.t, err)
}
