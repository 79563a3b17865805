package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/krew/pkg/constants"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/chart"
)

const (
	// krewName is the plugin's in krew, and krewFile its manifest.
	krewName = "aws-iam"
	krewFile = krewName + ".yaml"
)

// krewCaveats is what krew prints after it has installed the plugin. krew puts nothing but the program on PATH.
const krewCaveats = `For completion of its arguments, put ` + completionName + `, which is in the archive, on PATH.
`

// krewDescription is what kubectl krew info prints.
const krewDescription = `Shows which AWS IAM role each ServiceAccount has, explains link by link why a pod has
no credentials, checks an installation of kube-aws-iam-controller, and converts
what kube2iam, kiam, IRSA and EKS Pod Identity use. It needs no more permissions
than its user has.
`

// downloadURL is where the archives can be downloaded; empty if nobody said.
func (r *release) downloadURL() string {
	if r.download == "" && r.Source != "" {
		return r.Source + "/releases/download/" + r.Version
	}
	return strings.TrimSuffix(r.download, "/")
}

// writeKrewManifest writes the manifest by which krew installs the plugin, from the archives that are in a directory.
// Without an address to download them from there can be none.
func (r *release) writeKrewManifest(dir string, platforms []string) error {
	base := r.downloadURL()
	if base == "" {
		r.progress("no %s: neither -source nor -download says where the archives can be downloaded", krewFile)
		return nil
	}
	plugin := index.Plugin{
		TypeMeta:   metav1.TypeMeta{APIVersion: constants.CurrentAPIVersion, Kind: constants.PluginKind},
		ObjectMeta: metav1.ObjectMeta{Name: krewName},
		Spec: index.PluginSpec{
			Version:          "v" + chart.SemanticVersion(r.Version),
			ShortDescription: "See, explain and check IAM roles of pods",
			Description:      krewDescription, Caveats: krewCaveats, Homepage: r.Source,
		},
	}
	for _, platform := range platforms {
		file := archiveFile(r.Version, platform)
		content, err := os.ReadFile(filepath.Join(dir, file)) //nolint:gosec // just written
		if err != nil {
			return err
		}
		plugin.Spec.Platforms = append(plugin.Spec.Platforms, krewPlatform(platform, base+"/"+file, content))
	}
	text, err := yaml.Marshal(plugin)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, krewFile), text, 0o644) //nolint:gosec // for everybody to read
}

func krewPlatform(platform, uri string, archive []byte) index.Platform {
	system, architecture, _ := strings.Cut(platform, "/")
	sum := sha256.Sum256(archive)
	program := pluginProgram(platform)
	return index.Platform{
		URI: uri, Sha256: hex.EncodeToString(sum[:]), Bin: program,
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"os": system, "arch": architecture}},
		Files:    []index.FileOperation{{From: program, To: "."}, {From: licenseName, To: "."}},
	}
}
