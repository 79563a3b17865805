package awssim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lastUsed returns what GetRole says of the last use of the role app.
func (w *world) lastUsed() types.RoleLastUsed {
	w.t.Helper()
	out, err := w.iam.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: new("app")})
	require.NoError(w.t, err)
	require.NotNil(w.t, out.Role.RoleLastUsed, "it is there, if empty, for a role that was not used")
	return *out.Role.RoleLastUsed
}

func TestUseOfARoleIsShownLate(t *testing.T) {
	w := newWorld(t, Options{})
	created, err := w.create("app")
	require.NoError(t, err)
	assert.Nil(t, created.Role.RoleLastUsed)
	assert.Empty(t, w.lastUsed())

	begin := time.Now()
	w.Set(Settings{LastUsedLag: new(Duration(2 * time.Second))})
	require.NoError(t, w.whoAmI(w.stsAs(w.session("app"))))
	assert.Empty(t, w.lastUsed(), "not yet")
	w.pass(3 * time.Second)
	used := w.lastUsed()
	assert.WithinRange(t, aws.ToTime(used.LastUsedDate), begin.Truncate(time.Second), time.Now())
	assert.Equal(t, "eu-central-1", aws.ToString(used.Region), "where the request was signed for")

	// A later use takes the place of the first one once it is shown.
	_, err = w.iamAs(w.session("app")).ListRoles(t.Context(), &iam.ListRolesInput{})
	refused(t, err, "AccessDenied", "")
	assert.Equal(t, used, w.lastUsed())
	w.pass(3 * time.Second)
	assert.Equal(t, "us-east-1", aws.ToString(w.lastUsed().Region), "a request that is refused is a use as well")
	listed, err := w.iam.ListRoles(t.Context(), &iam.ListRolesInput{})
	require.NoError(t, err)
	assert.Nil(t, listed.Roles[0].RoleLastUsed, "lists do not tell")
}

func TestLagOfTheUseOfARoleIsHours(t *testing.T) {
	w := newWorld(t, Options{})
	w.add(RoleSpec{Name: "app"})
	require.NoError(t, w.whoAmI(w.stsAs(w.session("app"))))
	assert.Empty(t, w.lastUsed())
	w.Set(Settings{LastUsedLag: new(Duration(time.Nanosecond))})
	w.pass(time.Second)
	assert.NotNil(t, w.lastUsed().LastUsedDate)
	w.Set(Settings{LastUsedLag: new(Duration(lastUsedLag))})
	assert.Empty(t, w.lastUsed())
	assert.Equal(t, 4*time.Hour, lastUsedLag)
}

func TestUseIsTrackedForFourHundredDays(t *testing.T) {
	s := New(Options{})
	now := time.Now()
	app := &role{id: "AROA1"}
	s.recordUse(&principal{id: app.id, roleName: "app"}, "eu-central-1", now)
	at := func(later time.Duration) lastUsedShape { return *(&request{Sim: s, now: now.Add(later)}).lastUsed(app) }
	assert.Empty(t, at(4*time.Hour-time.Second))
	assert.Equal(t, lastUsedShape{timestamp(now), "eu-central-1"}, at(4*time.Hour))
	assert.Equal(t, lastUsedShape{timestamp(now), "eu-central-1"}, at(399*24*time.Hour))
	assert.Empty(t, at(400*24*time.Hour))
}

func TestUsesThatAreNotShownAnyMoreAreForgotten(t *testing.T) {
	s := New(Options{})
	now := time.Now()
	for i := range 1000 {
		s.recordUse(&principal{id: "AROA1", roleName: "app"}, "eu-central-1", now.Add(time.Duration(i)*time.Hour))
	}
	assert.LessOrEqual(t, len(s.uses["AROA1"]), 6)
}

func TestAssumingARoleIsNoUseOfIt(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{LastUsedLag: new(Duration(time.Nanosecond))})
	arn := w.add(RoleSpec{Name: "app", Trust: trust(`{"AWS":"` + home + `"}`)})
	_, err := w.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: new("session")})
	require.NoError(t, err)
	w.pass(time.Second)
	assert.Empty(t, w.lastUsed())
}

func TestRoleThatIsCreatedAgainWasNotUsed(t *testing.T) {
	w := newWorld(t, Options{})
	w.Set(Settings{LastUsedLag: new(Duration(time.Nanosecond))})
	w.add(RoleSpec{Name: "app"})
	require.NoError(t, w.whoAmI(w.stsAs(w.session("app"))))
	w.pass(time.Second)
	require.NotNil(t, w.lastUsed().LastUsedDate)
	w.RemoveRole(home, "app")
	w.add(RoleSpec{Name: "app"})
	assert.Empty(t, w.lastUsed())
}
