package broker

import (
	"testing"

	"kube-aws-iam-controller/internal/identity"
)

// BenchmarkSync counts what a sync costs that has nothing to do, which is what most
// syncs are.
func BenchmarkSync(b *testing.B) {
	for name, managed := range map[string]*identity.ManagedRole{"existing": nil, "managed": {Policy: "{}"}} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.asked.Managed = managed
			for range 2 {
				if _, err := w.Sync(b.Context(), app, true); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = w.Sync(b.Context(), app, true)
				w.statuses = w.statuses[:0]
			}
		})
	}
}

// BenchmarkDecide counts what deciding costs where nothing is to be done, for which all
// rules are tried.
func BenchmarkDecide(b *testing.B) {
	f := served()
	b.ReportAllocs()
	for b.Loop() {
		if decide(f).do != rest {
			b.Fatal("there is nothing to do")
		}
	}
}
