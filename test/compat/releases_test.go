package compat

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/admission/admissiontest"

	"kube-aws-iam-controller/test/cluster"
)

var (
	update   = flag.Bool("update", false, "write what comes out into docs/compatibility.md")
	releases = flag.String("releases", newest, "releases of Kubernetes, such as \"1.30.14 newest\", which is that of go.mod, or all")
)

const newest = "newest"

// chosen are the releases to try.
func chosen(t *testing.T) (all []string) {
	t.Helper()
	if *releases == "all" {
		known, err := cluster.Releases(t.Context())
		require.NoError(t, err)
		return known
	}
	for release := range strings.FieldsSeq(*releases) {
		if release == newest {
			var err error
			release, err = cluster.DefaultRelease()
			require.NoError(t, err)
		}
		all = append(all, release)
	}
	require.NotEmpty(t, all)
	return all
}

// TestReleases tries one release after the other: what fails on one leaves the others alone.
func TestReleases(t *testing.T) {
	for _, release := range chosen(t) {
		t.Run(release, func(t *testing.T) {
			t.Setenv(cluster.VersionVariable, release)
			r := start(t, release)
			t.Cleanup(r.report) // also of what did not get to its end
			r.try()
		})
	}
}

// try fills the row.
func (r *run) try() {
	r.check("manifests", &r.row.Manifests, r.manifestsApply)
	r.install()
	r.row.Admission = r.installed()
	assert.Equal(r.t, map[bool]string{true: policy, false: webhook}[r.servesPolicies], r.row.Admission, "what auto chooses")
	r.row.Policy = notServed
	if r.row.Admission == policy {
		r.check("pods by policy", &r.row.Policy, r.podsByPolicy)
	}
	r.startReplicas()
	r.check("sources", &r.row.Sources, r.sourcesAreServed)
	r.check("guard", &r.row.Guard, r.guardRefuses)
	r.check("takeover", &r.row.Takeover, r.otherTakesOver)
	for _, replica := range r.replicas {
		replica.Kill()
	}
	if r.row.Admission == policy {
		r.upgrade(r.t, "none", admissiontest.Settings{})
		r.pods.Await(r.t, false)
		r.upgrade(r.t, webhook, admissiontest.Settings{})
	}
	r.check("pods by webhook", &r.row.Webhook, r.podsByWebhook)
}

// check is a subtest and a cell of the table.
func (r *run) check(name string, cell *string, what func(*testing.T)) {
	r.t.Helper()
	r.say(name)
	*cell = no
	if r.t.Run(name, what) {
		*cell = yes
	}
}

// pagePath is where the page is.
func pagePath(t *testing.T) string {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	return filepath.Join(root, "docs", "compatibility.md")
}

// report writes the row, or holds it against the page.
func (r *run) report() {
	for _, cell := range r.row.cells() {
		if *cell == "" {
			r.t.Errorf("Kubernetes %s was not tried to the end: %+v", r.row.Release, r.row)
			return
		}
	}
	page, err := os.ReadFile(pagePath(r.t))
	require.NoError(r.t, err)
	if *update {
		page, err = Page(string(page), r.row)
		require.NoError(r.t, err)
		require.NoError(r.t, os.WriteFile(pagePath(r.t), page, 0o600))
		return
	}
	rows, err := Rows(string(page))
	require.NoError(r.t, err)
	for i := range rows {
		rows[i].Date = r.row.Date
	}
	assert.Contains(r.t, rows, r.row, "make compat writes it")
}

// today is the date of a row.
func today() string { return time.Now().UTC().Format(time.DateOnly) }
