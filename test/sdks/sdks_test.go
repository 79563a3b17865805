// Package sdks runs real AWS SDKs with the environment and the files that a container is given.
package sdks

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/identity"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

var (
	shared   cluster.Shared
	programs string // the directory for them
	update   = flag.Bool("update", false, "write docs/sdks.md with what was seen")
	full     = flag.Bool("full", false, "run also what takes minutes to build")
)

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "sdks-"); err != nil {
		panic(err)
	}
	code := shared.Run(m)
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

// A trial is one SDK with each delivery.
type trial struct {
	kind     kind
	version  string
	command  []string
	programs map[identity.Delivery]*program
	// rotated is what came of a call after a rotation, proxied of one with HTTP_PROXY.
	rotated map[identity.Delivery]string
	proxied string
}

func TestSDKsFindTheirCredentialsAndTheNextOnes(t *testing.T) {
	var trials []*trial
	for _, k := range kinds {
		t.Run(k.name+" can be run", func(t *testing.T) {
			command, version := k.prepared(t)
			trials = append(trials, &trial{
				kind: k, command: command, version: version,
				programs: map[identity.Delivery]*program{}, rotated: map[identity.Delivery]string{},
			})
		})
	}
	w := newWorld(t)
	t.Cleanup(func() {
		for _, tried := range trials {
			tried.end()
		}
	})
	each := func(when string, do func(*testing.T, *trial)) {
		for _, tried := range trials {
			t.Run(tried.kind.name+" "+when, func(t *testing.T) { do(t, tried) })
		}
	}
	each("begins", w.begin)
	each("behind a proxy", w.behindProxy)
	w.rotate(t)
	each("after a rotation", w.again)
	w.replace(t)
	each("after its Secret was replaced", w.onceMore)
	if !t.Failed() {
		document(t, trials)
	}
}

// begin starts the programs of an SDK and has them make their first call.
func (w *world) begin(t *testing.T, tried *trial) {
	t.Helper()
	for _, delivery := range deliveries {
		p := &program{kind: tried.kind, command: tried.command, env: w.containers[delivery].env}
		require.NoError(t, p.start(w.aws.URL()))
		tried.programs[delivery] = p
		tried.hears(t, delivery, p.call(t.Context(), w.aws.URL()))
	}
}

// hears holds an answer against what the SDK can do.
func (tried *trial) hears(t *testing.T, delivery identity.Delivery, answer string) {
	t.Helper()
	if slices.Contains(tried.kind.cannot, delivery) {
		assert.NotContains(t, answer, whoIs(delivery), "it knows the delivery by now")
		return
	}
	assert.Contains(t, answer, whoIs(delivery))
}

// again has them make another call.
func (w *world) again(t *testing.T, tried *trial) {
	t.Helper()
	for _, delivery := range deliveries {
		answer := tried.programs[delivery].call(t.Context(), w.aws.URL())
		if delivery != identity.DeliverFile {
			tried.hears(t, delivery, answer)
		}
		tried.rotated[delivery] = verdict(answer)
		if slices.Contains(tried.kind.cannot, delivery) {
			tried.rotated[delivery] = "no"
		}
	}
}

// onceMore has those make another call that found new credentials before.
func (w *world) onceMore(t *testing.T, tried *trial) {
	t.Helper()
	for _, delivery := range deliveries {
		if tried.rotated[delivery] == found {
			assert.Contains(t, tried.programs[delivery].call(t.Context(), w.aws.URL()), whoIs(delivery))
		}
	}
}

func whoIs(delivery identity.Delivery) string {
	return "ok arn:aws:sts::" + kit.AccountID + ":assumed-role/" + string(delivery) + "/"
}

func (tried *trial) end() {
	for _, p := range tried.programs {
		p.end()
	}
}

// found is the verdict on a program that has found new credentials.
const found = "yes"

// verdict is the word for what came of a call with credentials that were rotated.
func verdict(answer string) string {
	if strings.HasPrefix(answer, "ok ") {
		return found
	}
	return "until the first session ends"
}
