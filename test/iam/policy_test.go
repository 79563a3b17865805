package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

func example(t *testing.T, name ...string) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(append([]string{root, "examples"}, name...)...))
	require.NoError(t, err)
	return string(text)
}

// policy is the controller's, to be changed.
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement map[string]any

func shipped(t *testing.T) policy {
	t.Helper()
	return documents(t, "controller-policy.json")
}

// widened is the policy with the statements that somebody may add.
func widened(t *testing.T) policy {
	t.Helper()
	return documents(t, "controller-policy.json", "optional-statements.json")
}

// documents are the statements of some of examples/iam.
func documents(t *testing.T, names ...string) (all policy) {
	t.Helper()
	for _, name := range names {
		var p policy
		require.NoError(t, json.Unmarshal([]byte(example(t, "iam", name)), &p))
		all = policy{Version: p.Version, Statement: append(all.Statement, p.Statement...)}
	}
	return all
}

func (p policy) text(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	return string(text)
}

// with returns the policy with another statement in the place of the ith, nil for none.
func (p policy) with(i int, s statement) policy {
	p.Statement = slices.Clone(p.Statement)
	if s == nil {
		p.Statement = slices.Delete(p.Statement, i, i+1)
	} else {
		p.Statement[i] = s
	}
	return p
}

// weakened are all the ways to take something off a policy, by what it is: a statement, one of its actions, one of its
// conditions, and the limit to some resources.
func (p policy) weakened() map[string]policy {
	all := map[string]policy{}
	for i, s := range p.Statement {
		sid := fmt.Sprint(s["Sid"])
		all[sid] = p.with(i, nil)
		if actions, is := s["Action"].([]any); is {
			for _, action := range actions {
				less := slices.DeleteFunc(slices.Clone(actions), func(a any) bool { return a == action })
				all[fmt.Sprintf("%s, %s", sid, action)] = p.with(i, s.set("Action", less))
			}
		}
		if s["Resource"] != "*" {
			all[sid+", its resource"] = p.with(i, s.set("Resource", "*"))
		}
		conditions, _ := s["Condition"].(map[string]any)
		for operator, block := range conditions {
			keys, _ := block.(map[string]any)
			for key := range keys {
				less := maps.Clone(keys)
				delete(less, key)
				condition := map[string]any{operator: less}
				if len(less) == 0 {
					condition = nil
				}
				all[fmt.Sprintf("%s, its condition on %s", sid, key)] = p.with(i, s.set("Condition", condition))
			}
		}
	}
	return all
}

func (s statement) set(key string, value any) statement {
	s = maps.Clone(s)
	s[key] = value
	if condition, is := value.(map[string]any); is && condition == nil {
		delete(s, key)
	}
	return s
}

func TestThePolicySufficesAndRefusesEscalation(t *testing.T) {
	plain, wide := shipped(t).text(t), widened(t).text(t)
	require.NoError(t, newWorld(t, plain).lifecycle())
	require.NoError(t, newWorld(t, wide).fullLifecycle())
	require.ErrorContains(t, newWorld(t, plain).fullLifecycle(), "not authorized to perform: sts:AssumeRole")
	for name, action := range denied {
		t.Run(name, func(t *testing.T) {
			for _, text := range []string{plain, wide} {
				err := action(newWorld(t, text), context.WithoutCancel(t.Context()))
				require.ErrorContains(t, err, "AccessDenied")
			}
		})
	}
}

func TestNoOtherAccountIsInTheShippedPolicy(t *testing.T) {
	for _, s := range shipped(t).Statement {
		if s["Effect"] == "Allow" {
			assert.NotContains(t, fmt.Sprint(s["Action"]), "sts:", "%s", s["Sid"])
		}
	}
}

// pointless are weakenings that nothing can come of.
var pointless = map[string]string{
	"CreateWithBoundaryAndTags, its resource": "a role cannot be made without the tag, which may only be put on roles under the path",
}

func TestNothingInThePolicyIsThereForNothing(t *testing.T) {
	weakened := widened(t).weakened()
	require.Greater(t, len(weakened), 35)
	for name := range pointless {
		assert.Contains(t, weakened, name)
	}
	for name, less := range weakened {
		t.Run(name, func(t *testing.T) {
			if pointless[name] == "" {
				assertMatters(t, name, less.text(t))
			}
		})
	}
}

// assertMatters shows that a policy with less in it is not enough, or allows what must not be.
func assertMatters(t *testing.T, name, text string) {
	t.Helper()
	err := newWorld(t, text).fullLifecycle()
	if err != nil {
		require.Regexp(t, "AccessDenied|not authorized to perform", err.Error())
		if _, action, is := strings.Cut(name, ", "); is && strings.Contains(action, ":") && !strings.HasPrefix(action, "its") {
			require.ErrorContains(t, err, action, "it is for want of this that it fails")
		}
		return
	}
	for _, action := range denied {
		if action(newWorld(t, text), t.Context()) == nil {
			return
		}
	}
	t.Error("without it the controller lacks nothing and nothing more is possible")
}

// What IAM cannot keep from happening: an untagged role under the path can be tagged. What can be done to it is bounded.
func TestARoleThatIsAdoptedIsBounded(t *testing.T) {
	w := newWorld(t, shipped(t).text(t))
	require.NoError(t, w.adopt(t.Context(), "untagged"))
	for name, action := range deniedOn("untagged") {
		require.ErrorContains(t, action(w, t.Context()), "AccessDenied", name)
	}
	require.NoError(t, w.bound(t.Context(), "untagged", w.boundary))
	for name, action := range deniedOn("untagged") {
		require.NoError(t, action(w, t.Context()), name)
	}
}
