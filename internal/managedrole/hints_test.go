package managedrole

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/identity"
)

func allow(actions, resource string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":%q}]}`, actions, resource)
}

// hinted returns the hints since it was last asked.
func (w *world) hinted() (hints []string) {
	for _, event := range w.events {
		if strings.Contains(event, "PolicyHint") {
			hints = append(hints, event)
		}
	}
	w.forgetWhatWasDone()
	return hints
}

// ensured is one answer of Ensure to a policy.
func (w *world) ensures(policy string, answer ensured) error {
	w.t.Helper()
	w.want.Managed = &identity.ManagedRole{Policy: policy}
	w.answers = []ensured{answer}
	_, err := w.m.Ensure(w.t.Context(), w.want, "AROA1")
	return err
}

func changed(kinds ...string) ensured {
	return ensured{role: identity.Role{ARN: roleARN, ID: "AROA1", Changed: kinds}}
}

func TestHintsAreRecordedOnceForEachChangeOfThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		wide, fine := allow("*", "*"), allow("s3:GetObject", "arn:aws:s3:::bucket/*")
		require.NoError(t, w.ensures(wide, created("AROA1")))
		assert.Equal(t, []string{"Normal PolicyHint: iam.amazonaws.com/role-policy is in effect, and may allow more than is meant: " +
			"statement 1 allows all actions on all resources: name what is needed in Action and Resource"}, w.hinted())
		require.NoError(t, w.ensures(wide, changed()))
		require.NoError(t, w.ensures(wide, changed("inline-policy")))
		assert.Empty(t, w.hinted(), "it was said")
		require.NoError(t, w.ensures(fine, changed("inline-policy")))
		assert.Empty(t, w.hinted())
		require.NoError(t, w.ensures(wide, changed("tags")))
		assert.Empty(t, w.hinted(), "the policy in IAM is another one")
		require.NoError(t, w.ensures(wide, changed("inline-policy")))
		assert.Len(t, w.hinted(), 1)

		w.m.Begin() // as after a restart
		require.NoError(t, w.ensures(wide, changed()))
		assert.Empty(t, w.hinted())
	})
}

func TestHintsDependOnThePolicyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		wide := allow("*", "*")
		require.NoError(t, w.ensures(wide, created("AROA1")))
		assert.Len(t, w.hinted(), 1)
		w.want.SessionDuration *= 2
		require.NoError(t, w.ensures(wide, changed("session-duration", "inline-policy")))
		assert.Empty(t, w.hinted(), "somebody else changed the policy, and its author the duration")

		w.m.Begin() // as after a restart
		w.want.PolicyHash = w.want.Managed.PolicyHash()
		w.want.SessionDuration *= 2
		require.NoError(t, w.ensures(wide, changed("session-duration", "inline-policy")))
		assert.Empty(t, w.hinted(), "the Secret says of which policy it was said")
		require.NoError(t, w.ensures(allow("s3:*", "*"), changed("inline-policy")))
		assert.Len(t, w.hinted(), 1)
		require.NoError(t, w.ensures(wide, changed("inline-policy")))
		assert.Len(t, w.hinted(), 1, "what this process wrote is newer than the Secret")
	})
}

func TestHintsDoNotDependOnWhatIsRefusedBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		refused := changed("inline-policy")
		refused.err = errAway
		require.ErrorIs(t, w.ensures(allow("*", "*"), refused), errAway)
		assert.Len(t, w.hinted(), 1, "the policy was written")
		require.NoError(t, w.ensures(allow("*", "*"), changed("managed-policies")))
		assert.Empty(t, w.hinted())
	})
}

func TestCorrectedDriftBringsNoHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := made(t, time.Hour)
		w.want.Managed = &identity.ManagedRole{Policy: allow("*", "*")}
		w.differing("inline-policy")
		w.inspect()
		w.inspect()
		assert.Equal(t, []string{"inline-policy"}, w.drift)
		assert.Empty(t, w.hinted(), "its author changed nothing")
	})
}

func TestMessageNamesAFewStatements(t *testing.T) {
	assert.Equal(t, "about a; b; c", hintMessage("about ", []string{"a", "b", "c"}))
	assert.Equal(t, "about a; b; c; and 2 more", hintMessage("about ", []string{"a", "b", "c", "d", "e"}))
	long := strings.Repeat("x", 400)
	assert.Equal(t, "about "+long+"; "+long+"; and 3 more", hintMessage("about ", []string{long, long, long, "d", "e"}))
	widest := "statement 100 " + identity.PolicyHints(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"`+
		strings.Repeat("\u0085", 1000)+`:y","NotResource":"arn:aws:s3:::b/*"}}`, nil)[0]
	assert.LessOrEqual(t, len(hintMessage(mayAllowMore("iam.amazonaws.com/managed-policies"), []string{widest, widest, widest})), 1024, "an event holds it")
}

func TestHintsSayWhatTheBoundaryTakesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.m.ReadBoundary = true
		var err error
		w.boundary, err = identity.ParseBoundary(allow("s3:*", "*"))
		require.NoError(t, err)
		require.NoError(t, w.ensures(allow("iam:*", "*"), created("AROA1")))
		assert.Equal(t, []string{"Normal PolicyHint: The permissions boundary of the role allows nothing of what iam.amazonaws.com/role-policy names here, " +
			`so that has no effect; leave it out, or have the boundary extended: "iam:*" of statement 1`}, w.hinted())

		w.boundary, w.boundaryErr = nil, errAway
		w.logged.Reset()
		require.NoError(t, w.ensures(allow("iam:*Role", "*"), changed("inline-policy")))
		hints := w.hinted()
		require.Len(t, hints, 1)
		assert.Contains(t, hints[0], "may allow more than is meant: statement 1 allows iam:PassRole")
		assert.Contains(t, w.logged.String(), "level=debug")
		assert.NotContains(t, w.logged.String(), "level=warn")
	})
}

func TestHintsAboutManagedPoliciesAreTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ensures := func(policy string, answer ensured, managed ...string) []string {
			w.want.Managed = &identity.ManagedRole{Policy: policy, ManagedPolicies: managed}
			w.answers = []ensured{answer}
			_, err := w.m.Ensure(t.Context(), w.want, "AROA1")
			require.NoError(t, err)
			return w.hinted()
		}
		const administrator, readOnly = "arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"
		wide := allow("*", "*")
		hints := ensures(wide, created("AROA1"), readOnly)
		require.Len(t, hints, 1)
		assert.Contains(t, hints[0], "iam.amazonaws.com/role-policy")
		hints = ensures(wide, changed("managed-policies", "inline-policy"), administrator, readOnly)
		require.Len(t, hints, 1, "the inline policy did not change")
		assert.Contains(t, hints[0], `iam.amazonaws.com/managed-policies is in effect, and may allow more than is meant: "`+administrator+`" allows all actions`)
		assert.Empty(t, ensures(wide, changed("managed-policies"), administrator), "that is not the one which allows much")
		assert.Len(t, ensures(allow("s3:*", "*"), changed("inline-policy"), administrator, administrator+"/IAMFullAccess"), 1)
		w.m.Begin() // as after a restart
		w.want.PolicyHash = w.want.Managed.PolicyHash()
		assert.Empty(t, ensures(allow("s3:*", "*"), changed("managed-policies", "inline-policy"), administrator))

		const iamToo = "arn:aws:iam::aws:policy/IAMFullAccess"
		assert.Len(t, ensures(wide, changed("inline-policy"), iamToo), 1, "IAM refused the other one")
		hints = ensures(wide, changed("inline-policy", "managed-policies"), iamToo)
		require.Len(t, hints, 1)
		assert.Contains(t, hints[0], "IAMFullAccess")
	})
}

func TestAPolicyIsOfferedOnceForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		offered := 0
		w.m.OfferPolicy = func(want identity.Desired) {
			offered++
			assert.Equal(t, w.want.Managed.Policy, want.Managed.Policy)
		}
		require.NoError(t, w.ensures(allow("s3:Get*", "*"), created("AROA1")))
		require.NoError(t, w.ensures(allow("s3:Get*", "*"), changed("inline-policy")))
		require.NoError(t, w.ensures(allow("s3:Put*", "*"), changed("tags")))
		assert.Equal(t, 1, offered)
		require.NoError(t, w.ensures(allow("s3:Put*", "*"), changed("inline-policy")))
		assert.Equal(t, 2, offered)
	})
}

func TestTheBoundaryIsNotReadUnlessThatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var err error
		w.boundary, err = identity.ParseBoundary(allow("s3:*", "*"))
		require.NoError(t, err)
		require.NoError(t, w.ensures(allow("sqs:SendMessage", "*"), created("AROA1")))
		assert.Empty(t, w.hinted())
	})
}
