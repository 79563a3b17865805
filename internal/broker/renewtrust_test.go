package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/status"
)

func TestOutdatedTrustPolicyIsRenewedAtTheNextInspection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.outdated = true
		w.untilLooked()
		assert.Equal(t, "Differs AROA1 Ensure AROA1", w.did(), "nobody else changed it, so it takes no second look")
		assert.Empty(t, w.metrics, "it is no drift")
		told := w.told()
		require.Len(t, told, 1)
		assert.Equal(t, api.RoleUpdated, told[0].reason)
		assert.False(t, told[0].warning)
		assert.Equal(t, status.Ready, w.state())

		w.untilLooked()
		assert.Equal(t, "Differs AROA1", w.did())
		assert.Empty(t, w.told())
	})
}

func TestOutdatedTrustPolicyIsAWarningHourly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.managed.DriftInterval = 5 * time.Minute
		w.outdated, w.kept = true, "it carries tags"
		start, warnings := time.Now(), 0
		for time.Since(start) < 5*time.Hour {
			time.Sleep(w.serve())
			for _, event := range w.told() {
				assert.Equal(t, api.TrustPolicyOutdated, event.reason)
				assert.Equal(t, "it carries tags", event.message)
				warnings++
			}
		}
		assert.InDelta(t, 5, warnings, 1)
		assert.NotContains(t, w.did(), "Ensure", "nothing is read twice for that")
		assert.Equal(t, status.Ready, w.state())
		assert.Empty(t, w.metrics)

		w.kept = ""
		w.untilLooked()
		assert.Equal(t, "Differs AROA1 Ensure AROA1", w.did())
	})
}

func TestOutdatedTrustPolicyIsAWarningWithoutInspections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.managed.DriftInterval, w.outdated, w.kept = 0, true, "it carries tags"
		w.asked.Managed = &identity.ManagedRole{Policy: "{}", ManagedPolicies: []string{"another"}}
		w.serve()
		var reasons []string
		for _, event := range w.told() {
			reasons = append(reasons, event.reason)
		}
		assert.Contains(t, reasons, api.TrustPolicyOutdated)
	})
}

func TestFailedTrustPolicyRenewalIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.outdated, w.ensureErr = true, &identity.StepError{Reason: api.ProvisionFailed, Message: "throttled", Err: errDenied}
		w.serve()
		time.Sleep(time.Hour)
		_, err := w.sync()
		require.ErrorIs(t, err, errDenied)
		w.ensureErr = nil
		time.Sleep(time.Second) // of back-off
		w.serve()
		assert.False(t, w.outdated)
	})
}
