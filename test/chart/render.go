package chart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// A Release is what somebody asks Helm for.
type Release struct {
	Namespace string
	Values    map[string]any
	// KubeVersion, by default v1.36.0, and APIVersions are what the chart is told of the API server.
	KubeVersion string
	APIVersions []string
	// Files are in the place of those of the chart, or besides, by their path within it.
	Files map[string]string
}

// Rendered is what Helm makes of a release.
type Rendered struct {
	Objects, Hooks []unstructured.Unstructured
	Notes          string
}

// Load reads the chart as it is in the repository.
func Load() (*chartv2.Chart, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	loaded, err := loader.Load(dir)
	if err != nil {
		return nil, err
	}
	read, is := loaded.(*chartv2.Chart)
	if !is {
		return nil, fmt.Errorf("%s is of another version of charts", dir)
	}
	return read, nil
}

// Render renders a release offline, as helm template does. What the schema or the chart refuses is an error.
func (r Release) Render(ctx context.Context) (*Rendered, error) {
	chart, err := Load()
	if err != nil {
		return nil, err
	}
	for name, content := range r.Files {
		chart.Files = slices.DeleteFunc(chart.Files, func(f *common.File) bool { return f.Name == name })
		chart.Files = append(chart.Files, &common.File{Name: name, Data: []byte(content)})
	}
	install := action.NewInstall(action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler)))
	install.DryRunStrategy, install.ReleaseName, install.Namespace = action.DryRunClient, Name, r.Namespace
	install.APIVersions = r.APIVersions
	if install.KubeVersion, err = common.ParseKubeVersion(cmp.Or(r.KubeVersion, "v1.36.0")); err != nil {
		return nil, err
	}
	made, err := install.RunWithContext(ctx, chart, r.Values)
	if err != nil {
		return nil, err
	}
	release, is := made.(*releasev1.Release)
	if !is {
		return nil, fmt.Errorf("%T is of another version of releases", made)
	}
	return read(release)
}

func read(release *releasev1.Release) (*Rendered, error) {
	r := &Rendered{Notes: release.Info.Notes}
	var err error
	if r.Objects, err = Decode(release.Manifest); err != nil {
		return nil, err
	}
	for _, hook := range release.Hooks {
		objects, err := Decode(hook.Manifest)
		if err != nil {
			return nil, err
		}
		r.Hooks = append(r.Hooks, objects...)
	}
	return r, nil
}

// Decode reads the objects of a stream of YAML.
func Decode(text string) (objects []unstructured.Unstructured, err error) {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var object map[string]any
		switch err = decoder.Decode(&object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, err
		case len(object) > 0:
			objects = append(objects, unstructured.Unstructured{Object: object})
		}
	}
}
