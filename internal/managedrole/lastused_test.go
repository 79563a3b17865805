package managedrole

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/identity"
)

func TestLastUseIsWhatTheLastInspectionTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		at := time.Now().Add(-24 * time.Hour)
		recorded, told := identity.RoleUse{Known: true, At: at}, identity.RoleUse{Known: true, At: at.Add(time.Hour)}
		assert.Equal(t, recorded, w.m.LastUsed(app, "AROA1", recorded), "as after a restart")
		assert.Zero(t, w.m.LastUsed(app, "AROA1", identity.RoleUse{}))

		w.differs.role = identity.Role{ARN: roleARN, ID: "AROA1", Used: told}
		w.inspect()
		assert.Equal(t, told, w.m.LastUsed(app, "AROA1", recorded))
		assert.Zero(t, w.m.LastUsed(app, "", recorded), "it is no managed role")
		assert.Zero(t, w.m.LastUsed(app, "AROA2", identity.RoleUse{}), "nor was another role used")

		w.differs.role.Used = identity.RoleUse{}
		w.inspect()
		assert.Equal(t, told, w.m.LastUsed(app, "AROA1", recorded), "IAM did not say")

		w.m.Forget(app)
		assert.Zero(t, w.m.LastUsed(app, "AROA1", identity.RoleUse{}))
	})
}
