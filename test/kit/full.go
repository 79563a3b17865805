package kit

import "testing"

// FullOnly skips what is slow by its nature in a short run, and says why. A full run skips nothing.
func FullOnly(tb testing.TB, why string) {
	tb.Helper()
	if testing.Short() {
		tb.Skipf("only in a full run (make test-full): %s", why)
	}
}
