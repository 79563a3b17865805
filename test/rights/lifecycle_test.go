package rights

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/kit"
)

// A step is something that a controller does.
type step struct {
	name string
	// after is the step that it builds on, "" for none. The world may have lived through others of the same kind.
	after string
	do    func(w *world, ctx context.Context) error
}

// serving, electing and mutating are all that a controller does, each in an order that it can be lived in.
var serving = []step{
	{"it starts", "", (*world).serves},
	{"it is ready", "it starts", (*world).isReady},
	{"a ServiceAccount gets its Secret", "it starts", (*world).getsItsSecret},
	{"a ServiceAccount shows its role", "a ServiceAccount gets its Secret", (*world).showsItsRole},
	{"an event tells of it", "a ServiceAccount gets its Secret", (*world).isTold},
	{"another role brings other credentials", "a ServiceAccount gets its Secret", (*world).getsAnotherRole},
	{"an edited Secret is restored", "a ServiceAccount gets its Secret", (*world).isRestored},
	{"a deleted Secret is made again", "a ServiceAccount gets its Secret", (*world).isMadeAgain},
	{"a new rule of the namespace takes a Secret away", "a ServiceAccount gets its Secret", (*world).obeysItsNamespace},
	{"an event that repeats is counted", "a new rule of the namespace takes a Secret away", (*world).countsWhatRepeats},
	{"a Secret goes with the annotation", "a ServiceAccount gets its Secret", (*world).givesBackWhatIsNotAskedFor},
	{"a pod that waits is told", "it starts", (*world).tellsPodsThatWait},
	{"a role of one's own is made", "it starts", (*world).makesARole},
	{"a role of one's own goes with its ServiceAccount", "a role of one's own is made", (*world).disposesOfIt},
	{"an AWSIAMRole gets its Secret", "it starts", (*world).servesAWSIAMRoles},
	{"a Secret of the predecessor's is adopted", "it starts", (*world).adopts},
	{"an AWSIAMRole shows its status", "an AWSIAMRole gets its Secret", (*world).showsItsStatus},
	{"a Secret goes with its AWSIAMRole", "an AWSIAMRole gets its Secret", (*world).givesBackWhatIsDeleted},
}

var meeting = []step{
	{"a namespace that the watch does not show yet is asked about", "", (*world).asksAboutANewNamespace},
}

var electing = []step{
	{"it stands for election", "", (*world).elects},
	{"the first replica leads", "it stands for election", (*world).leads},
	{"it takes over from one that is gone", "", (*world).takesOver},
	{"it steps down", "it takes over from one that is gone", (*world).stepsDown},
}

var mutating = []step{
	{"the webhook starts", "", (*world).mutates},
	{"the webhook has a certificate", "the webhook starts", (*world).hasACertificate},
	{"the API server trusts the webhook", "the webhook has a certificate", (*world).isTrusted},
	{"a pod is given its credentials", "the API server trusts the webhook", (*world).injects},
	{"the API server is told again whom to trust", "the API server trusts the webhook", (*world).seesWhoIsTrusted},
	{"a replica of a version before is called where it answers", "a pod is given its credentials", (*world).makesWayForAVersionBefore},
	{"a broken certificate is replaced", "the API server trusts the webhook", (*world).replacesWhatCannotBeRead},
	{"a deleted certificate is made anew", "the API server trusts the webhook", (*world).makesItAnew},
	{"another replica finds the certificate", "the API server trusts the webhook", (*world).isShared},
}

// It is the only one at its time that serves all namespaces, as most do.
func TestTheRightsAreEnough(t *testing.T) {
	for _, s := range sets {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(t, s, s.rights(t))
			w.everywhere = !s.alone
			w.isAlone()
			for _, step := range s.steps {
				require.NoError(t, step.do(w, t.Context()), step.name)
			}
			w.stop(t.Context())
			assert.Zero(t, w.denied, "requests were refused")
			assert.Empty(t, w.refusals())
		})
	}
}

// maxBackoff is how long after a refusal something may still happen for another reason.
const patience = 2 * time.Second

// lost lives until all is lost that is for want of a right, and returns nil if that is so and nothing else failed.
func (w *world) lost(r right, l loss) error {
	lived := map[string]bool{}
	for _, name := range l.steps {
		steps := w.set.until(w.t, name)
		last := len(steps) - 1
		if r.verb == "watch" {
			last++ // what it leads to comes late, as everything is listed again, but it comes
		}
		for _, s := range steps[:last] {
			if lived[s.name] {
				continue
			}
			if err := s.do(w, w.t.Context()); err != nil {
				return fmt.Errorf("already before that, %s: %w", s.name, err)
			}
			lived[s.name] = true
		}
		if err := w.fails(r, steps[last:]); err != nil {
			return err
		}
	}
	return nil
}

// fails returns nil if the steps cannot be lived for want of a right; for none, once the right is known to be wanting.
func (w *world) fails(r right, steps []step) error {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	refusal := make(chan error, 1)
	go func() {
		defer cancel()
		refusal <- w.awaitRefusal(ctx, r)
	}()
	for _, s := range steps {
		failure := s.do(w, ctx)
		if failure == nil {
			return fmt.Errorf("nothing is lost: %s", s.name)
		}
		if ctx.Err() == nil {
			return fmt.Errorf("it is not for want of the right that it fails: %w", failure)
		}
	}
	return <-refusal
}

// awaitRefusal returns some time after the controller has said that it was refused a right: at once for a watch, which
// it says more of.
func (w *world) awaitRefusal(ctx context.Context, r right) error {
	err := kit.Eventually(ctx, within, func(context.Context) error {
		switch log := w.output(); {
		case !strings.Contains(log, r.refusal().message()):
			return fmt.Errorf("it was never refused to %s", r)
		case r.verb == "watch" && !saysItIsNotServed(log, r.refusal()):
			return fmt.Errorf("it does not say that it cannot %s", r)
		default:
			return nil
		}
	})
	if err != nil || r.verb == "watch" {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(patience):
	}
	return nil
}

func TestNoRightIsThereForNothing(t *testing.T) {
	for _, s := range sets {
		t.Run(s.name, func(t *testing.T) {
			all := s.rights(t)
			known := map[string]bool{}
			for i, r := range all {
				if !s.verifies(r) {
					continue
				}
				known[r.String()] = true
				t.Run(r.String(), func(t *testing.T) {
					l, is := s.losses[r.String()]
					require.True(t, is, "nothing is known to be lost without it: take it away, or say what it is for")
					if !l.everywhere { // those are alone
						t.Parallel()
					}
					isNeeded(t, newWorld(t, s, slices.Delete(slices.Clone(all), i, i+1)), r, l)
				})
			}
			for name := range s.losses {
				assert.True(t, known[name], "the right to %s is not shipped any more", name)
			}
		})
	}
}

func isNeeded(t *testing.T, w *world, r right, l loss) {
	t.Helper()
	allowed, err := w.allowed(t.Context(), r)
	require.NoError(t, err)
	require.False(t, allowed, "it is granted twice: take it away")
	w.everywhere = l.everywhere
	if l.older {
		w.env = []string{"KUBE_FEATURE_WatchListClient=false"}
	}
	require.NoError(t, w.lost(r, l))
	assert.Equal(t, []refusal{r.refusal()}, w.refusals(), "that is refused, and nothing else")
}
