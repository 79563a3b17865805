package compat

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func row(release, date string) Row {
	return Row{
		Release: release, Date: date, Admission: "webhook", Manifests: yes, Webhook: yes, Policy: notServed, Guard: yes, Sources: yes, Takeover: no,
		Dropped: "`spec.resources`",
	}
}

func TestARunReplacesTheRowOfItsMinorVersionAlone(t *testing.T) {
	var text []byte
	for _, each := range []Row{row("1.30.14", "2026-01-01"), row("1.31.2", "2026-01-02"), row("1.31.10", "2026-02-03"), row("1.40.0", "2026-02-03")} {
		var err error
		text, err = Page(string(text), each)
		require.NoError(t, err)
	}
	assert.Contains(t, string(text), "| 1.30.14 | 2026-01-01 | webhook | yes | yes | not served | yes | yes | **no** | `spec.resources` |\n")
	rows, err := Rows(string(text))
	require.NoError(t, err)
	assert.Equal(t, []Row{row("1.40.0", "2026-02-03"), row("1.31.10", "2026-02-03"), row("1.30.14", "2026-01-01")}, rows)

	again, err := Page(string(text), row("1.40.0", "2026-02-03"))
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again))
}

func TestARowThatLacksCellsIsNotTakenForAnother(t *testing.T) {
	_, err := Rows("| 1.30.14 | 2026-01-01 | webhook |\n")
	require.EqualError(t, err, "the row of Kubernetes 1.30.14 has 3 cells, not 10")
}

func TestThePageExplainsItsRowsAsRunsDo(t *testing.T) {
	path := pagePath(t)
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	rows, err := Rows(string(page))
	require.NoError(t, err)
	require.NotEmpty(t, rows)
	want, err := Page(string(page), rows[0])
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(path, want, 0o600))
		return
	}
	assert.Equal(t, string(want), string(page), "make compat writes it")
}
