package golden

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/kit"
)

// Await returns once pods are mutated and refused, or are no longer: the parts of what is installed come into force one by
// one.
func (p *Pods) Await(t *testing.T, mutated bool) {
	t.Helper()
	require.NoError(t, kit.Eventually(t.Context(), kit.Within, func(ctx context.Context) error {
		made, err := p.Create(ctx, &Probe, Probe.Given)
		if err != nil {
			return err
		}
		if (len(made.Spec.Containers[0].Env) > 0) != mutated {
			return errors.New("the probe shows otherwise")
		}
		malformed := Probe.Given.DeepCopy()
		malformed.Spec.ServiceAccountName = "malformed"
		if _, err = p.Create(ctx, &Probe, malformed); apierrors.IsForbidden(err) != mutated {
			return fmt.Errorf("the probe for refusals shows otherwise: %w", err)
		}
		return nil
	}))
}

// Settings returns what the cases have of the installation, the defaults first.
func (p *Pods) Settings() []admissiontest.Settings {
	all := []admissiontest.Settings{{}}
	for i := range p.cases {
		if !slices.Contains(all, p.cases[i].Settings) {
			all = append(all, p.cases[i].Settings)
		}
	}
	return all
}

// Compare holds what the API server admits against every case with the settings of an installation, and returns how many
// there are.
func (p *Pods) Compare(t *testing.T, settings admissiontest.Settings) (compared int) {
	t.Helper()
	for i := range p.cases {
		c := &p.cases[i]
		if c.Settings != settings {
			continue
		}
		compared++
		t.Run(c.Name, func(t *testing.T) { p.compare(t, c) })
	}
	require.Positive(t, compared)
	return compared
}

func (p *Pods) compare(t *testing.T, c *admissiontest.Case) {
	t.Helper()
	made, err := p.Create(t.Context(), c, c.Given)
	if c.Refusal != "" {
		require.Error(t, err)
		assert.True(t, apierrors.IsForbidden(err), "%v", err)
		assert.Regexp(t, "denied (the )?request: "+regexp.QuoteMeta(c.Refusal)+"$", err.Error())
		return
	}
	require.NoError(t, err)
	got, err := text(made)
	require.NoError(t, err)
	outcomes := p.outcomes(c)
	if !slices.Contains(outcomes, got) {
		assert.Equal(t, outcomes[0], got, "of %d outcomes; this release does not keep %q", len(outcomes), p.Dropped())
	}
	again, err := p.Create(t.Context(), c, c.Wanted)
	require.NoError(t, err)
	got, err = text(again)
	require.NoError(t, err)
	assert.Equal(t, outcomes[0], got, "doing it twice changes nothing")
}
