package monitoring

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A dashboard is as much of Grafana's model as is looked at.
type dashboard struct {
	UID           string  `json:"uid"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	GridPos    rectangle  `json:"gridPos"`
	Datasource datasource `json:"datasource"`
	Targets    []target   `json:"targets"`
}

type rectangle struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

type datasource struct {
	UID string `json:"uid"`
}

type target struct {
	Expr  string `json:"expr"`
	RefID string `json:"refId"`
}

type variable struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	AllValue string `json:"allValue"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(read(t, source+"dashboard.json")), &d))
	return d
}

func TestTheDashboardIsOneThatGrafanaImports(t *testing.T) {
	d := readDashboard(t)
	assert.Equal(t, "kube-aws-iam-controller", d.UID)
	assert.GreaterOrEqual(t, d.SchemaVersion, 39)
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type == "query" {
			assert.Equal(t, ".*", v.AllValue, "%s: All is also what has no such label", v.Name)
		}
	}
	assert.Equal(t, []string{"datasource", "cluster", "controller", "namespace", "sts_quota"}, variables)
	ids, questions := map[int]bool{}, []string{}
	for i, p := range d.Panels {
		assert.False(t, ids[p.ID], "the id of %s is another's", p.Title)
		ids[p.ID] = true
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		if p.Type == "row" {
			questions = append(questions, p.Title)
			continue
		}
		assert.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, other := range d.Panels[:i] {
			assert.False(t, overlap(p, other), "%s and %s", p.Title, other.Title)
		}
	}
	assert.Equal(t, []string{"Is everybody served?", "Who is not, and why?", "How close to the limits of AWS?", "How fast?"}, questions[:4])
}

func overlap(p, q panel) bool {
	a, b := p.GridPos, q.GridPos
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// queries returns what the panels ask for, by panel and target, as Grafana asks with All for each variable.
func (d dashboard) queries() map[string]string {
	chosen := strings.NewReplacer("$cluster", ".*", "$controller", ".*", "$namespace", ".*", "$sts_quota", "600", "$__rate_interval", "1m")
	all := map[string]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID] = chosen.Replace(target.Expr)
		}
	}
	return all
}
