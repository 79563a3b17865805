package chart

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// Defaults are what a packed chart has of its release.
type Defaults struct {
	// Version is such as v1.2.3.
	Version string
	// Image is that of the controller, without its tag.
	Image string
	// Runbooks is the address under which docs/ is, with its slash; empty for the relative path.
	Runbooks string
}

var (
	repositoryValue = regexp.MustCompile(`(?m)^  repository: .*$`)
	runbooksValue   = regexp.MustCompile(`(?m)^    runbookBaseURL: .*$`)
)

// inValues returns values.yaml with the defaults of a release.
func (d Defaults) inValues(values []byte) ([]byte, error) {
	for value, with := range map[*regexp.Regexp]string{
		repositoryValue: "  repository: " + d.Image,
		runbooksValue:   fmt.Sprintf("    runbookBaseURL: %q", d.Runbooks),
	} {
		if len(value.FindAll(values, -1)) != 1 {
			return nil, fmt.Errorf("values.yaml has not one line %s", value)
		}
		values = value.ReplaceAllLiteral(values, []byte(with))
	}
	return values, nil
}

// Package packs the chart into a directory as helm package does, with the same bytes each time, and returns the path of
// the archive.
func Package(dir string, defaults Defaults) (string, error) {
	chart, err := Load()
	if err != nil {
		return "", err
	}
	chart.Metadata.Version, chart.Metadata.AppVersion = SemanticVersion(defaults.Version), defaults.Version
	begin := time.Unix(0, 0)
	chart.ModTime, chart.SchemaModTime = begin, begin
	for _, files := range [][]*common.File{chart.Raw, chart.Templates, chart.Files} {
		for _, f := range files {
			f.ModTime = begin
			if f.Name != chartutil.ValuesfileName {
				continue
			}
			if f.Data, err = defaults.inValues(f.Data); err != nil {
				return "", err
			}
		}
	}
	return chartutil.Save(chart, dir)
}

// SemanticVersion returns a version without its v. What is no semantic version, such as a commit, becomes the end of
// 0.0.0.
func SemanticVersion(version string) string {
	bare := strings.TrimPrefix(version, "v")
	if _, err := semver.StrictNewVersion(bare); err != nil {
		return "0.0.0-" + regexp.MustCompile(`[^0-9A-Za-z-]+`).ReplaceAllString(version, "-")
	}
	return bare
}
