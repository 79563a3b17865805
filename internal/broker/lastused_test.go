package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/refresh"
)

func TestLastUseIsWrittenWithTheNextRenewalAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		used := identity.RoleUse{Known: true, At: time.Now().Add(-time.Hour)}
		w.used = used
		w.untilLooked()
		assert.Equal(t, "Differs AROA1", w.did(), "nothing is written for it")
		assert.Zero(t, w.have[app].RoleUsed)

		w.managed.DriftInterval = 0
		time.Sleep(w.serve())
		w.serve()
		assert.Equal(t, "Assume Apply", w.did())
		assert.Equal(t, used, w.have[app].RoleUsed)

		w.Begin() // as another replica does
		time.Sleep(w.serve())
		time.Sleep(w.serve())
		w.serve()
		assert.Contains(t, w.did(), "Assume Apply")
		assert.Equal(t, used, w.have[app].RoleUsed, "what is not known anew is kept")
	})
}

func TestLastUseIsThatOfTheRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		w.managed.DriftInterval = 0
		w.change(func(s *refresh.State) { s.RoleUsed = identity.RoleUse{Known: true} })
		w.change(func(s *refresh.State) { s.RoleID = "AROA0" }) // of the role that was before this one
		w.role.ID = "AROA1"
		w.serve()
		w.change(func(s *refresh.State) { s.Edited = true })
		w.serve()
		assert.Equal(t, "AROA1", w.have[app].RoleID)
		assert.Zero(t, w.have[app].RoleUsed)
	})
}

func TestHashOfThePolicyIsWrittenWithTheCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watching(t)
		assert.NotEmpty(t, w.have[app].PolicyHash)
		assert.Equal(t, w.asked.Managed.PolicyHash(), w.have[app].PolicyHash)
	})
}
