package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"kube-aws-iam-controller/test/cluster"
)

// chartFile is what makes a directory a chart.
const chartFile = "Chart.yaml"

// writeCharts packages each Helm chart in charts, of which there may be none, under the release's version.
func (r *release) writeCharts(dir string) error {
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	charts, err := filepath.Glob(filepath.Join(root, "charts", "*", chartFile))
	if err != nil {
		return err
	}
	for _, chart := range charts {
		if err := r.writeChart(dir, filepath.Dir(chart)); err != nil {
			return fmt.Errorf("chart %s: %w", filepath.Base(filepath.Dir(chart)), err)
		}
	}
	return nil
}

// writeChart writes a chart as helm package does, but without times, so that it is the same each time.
func (r *release) writeChart(dir, chart string) (err error) {
	name := filepath.Base(chart)
	out, err := os.Create(filepath.Join(dir, name+"-"+r.chartVersion()+".tgz")) //nolint:gosec // the caller's choice
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	compressed := gzip.NewWriter(out)
	archive := tar.NewWriter(compressed)
	err = filepath.WalkDir(chart, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(chart, file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file) //nolint:gosec // of the repository
		if err != nil {
			return err
		}
		if relative == chartFile {
			content = r.stamp(content)
		}
		return add(archive, path.Join(name, filepath.ToSlash(relative)), content)
	})
	return errors.Join(err, archive.Close(), compressed.Close())
}

func add(archive *tar.Writer, name string, content []byte) error {
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := io.Copy(archive, bytes.NewReader(content))
	return err
}

// chartVersion is the release's as Helm wants it: without the v of the tag.
func (r *release) chartVersion() string { return strings.TrimPrefix(r.Version, "v") }

var (
	versionLine    = regexp.MustCompile(`(?m)^version:.*$`)
	appVersionLine = regexp.MustCompile(`(?m)^appVersion:.*$`)
)

// stamp sets the versions in a Chart.yaml.
func (r *release) stamp(content []byte) []byte {
	content = versionLine.ReplaceAll(content, []byte("version: "+r.chartVersion()))
	return appVersionLine.ReplaceAll(content, fmt.Appendf(nil, "appVersion: %q", r.Version))
}
