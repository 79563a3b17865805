package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhoMayEditANamespaceMayWriteItsAWSIAMRoles(t *testing.T) {
	w := newWorld(t)
	for role, tc := range map[string]struct{ may, mayNot string }{
		"view":  {"list awsiamroles", "create awsiamroles"},
		"edit":  {"create awsiamroles", "patch awsiamroles --subresource=status"},
		"admin": {"delete awsiamroles", "patch awsiamroles --subresource=status"},
	} {
		_, err := w.Kubectl(t.Context(), "create", "rolebinding", role, "--clusterrole="+role, "--user="+role, "-n", w.namespace)
		require.NoError(t, err)
		answer := func(ctx context.Context, may string) string {
			out, _ := w.Kubectl(ctx, append([]string{"auth", "can-i", "--as=" + role, "-n", w.namespace}, strings.Fields(may)...)...)
			return strings.TrimSpace(out) // "no" comes with an error
		}
		w.eventually(func(ctx context.Context) error {
			if got := answer(ctx, tc.may); got != "yes" {
				return fmt.Errorf("may %s %s: %s", role, tc.may, got)
			}
			return nil
		})
		assert.Equal(t, "no", answer(t.Context(), tc.mayNot), "may %s %s", role, tc.mayNot)
	}
}
