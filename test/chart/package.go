package chart

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

var repository = regexp.MustCompile(`(?m)^  repository: .*$`)

// Package packs the chart into a directory as helm package does, with the same bytes each time, and returns the path of
// the archive. The chart is of a version, such as v1.2.3, and installs an image, without its tag, of that version. What is
// no semantic version, such as a commit, becomes the end of 0.0.0.
func Package(dir, version, image string) (string, error) {
	chart, err := Load()
	if err != nil {
		return "", err
	}
	chart.Metadata.Version, chart.Metadata.AppVersion = strings.TrimPrefix(version, "v"), version
	if _, err = semver.StrictNewVersion(chart.Metadata.Version); err != nil {
		chart.Metadata.Version = "0.0.0-" + regexp.MustCompile(`[^0-9A-Za-z-]+`).ReplaceAllString(version, "-")
	}
	begin := time.Unix(0, 0)
	chart.ModTime, chart.SchemaModTime = begin, begin
	for _, files := range [][]*common.File{chart.Raw, chart.Templates, chart.Files} {
		for _, f := range files {
			f.ModTime = begin
			if f.Name != chartutil.ValuesfileName {
				continue
			}
			if len(repository.FindAll(f.Data, -1)) != 1 {
				return "", errors.New("values.yaml has not one repository for the image")
			}
			f.Data = repository.ReplaceAll(bytes.Clone(f.Data), []byte("  repository: "+image))
		}
	}
	return chartutil.Save(chart, dir)
}
