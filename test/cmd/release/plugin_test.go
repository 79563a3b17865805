package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/image"
)

// host is the platform of this machine.
const host = runtime.GOOS + "/" + runtime.GOARCH

// unpack writes the files of an archive to a directory, with their modes, and returns their names.
func unpack(t *testing.T, path, dir string) (names []string) {
	t.Helper()
	packed, err := os.ReadFile(path)
	require.NoError(t, err)
	files, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	for archive := tar.NewReader(files); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		require.NoError(t, err)
		content, err := io.ReadAll(archive)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, header.Name), content, header.FileInfo().Mode()))
		names = append(names, header.Name)
	}
}

func TestKubectlFindsThePluginOfAnArchive(t *testing.T) {
	dir, path := t.TempDir(), t.TempDir()
	r := &release{Origin: image.Origin{Version: "v1.2.3", Source: "https://git.example.com/r"}}
	require.NoError(t, r.writePlugin(t.Context(), dir, []string{host}))
	assert.Equal(t, []string{"LICENSE", "kubectl-aws_iam", "kubectl_complete-aws_iam"}, unpack(t, filepath.Join(dir, archiveFile("v1.2.3", host)), path))
	bins, err := cluster.Binaries(t.Context(), os.Stderr)
	require.NoError(t, err)
	kubectl := func(args ...string) string {
		t.Helper()
		run := exec.CommandContext(t.Context(), bins.Kubectl, args...)
		run.Env = []string{"PATH=" + path + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		out, failed := run.CombinedOutput()
		require.NoError(t, failed, "%s", out)
		return string(out)
	}
	assert.Equal(t, "kubectl aws-iam v1.2.3\n", kubectl("aws-iam", "version", "--client"))
	assert.Contains(t, kubectl("plugin", "list"), filepath.Join(path, "kubectl-aws_iam"))
	assert.Contains(t, kubectl("__complete", "aws-iam", "ver"), "version\t")
	assert.Contains(t, kubectl("__complete", "aws-iam", "version", "--cli"), "--client\t")
}

func TestArchivesHaveTheSameBytesEachTime(t *testing.T) {
	files := []archived{{licenseName, []byte("license"), 0o644}, {"kubectl-aws_iam.exe", []byte("program"), 0o755}}
	modified := time.Unix(1_700_000_000, 0)
	for name, write := range map[string]func(string, []archived, time.Time) error{"a.tar.gz": writeTarGz, "a.zip": writeZip} {
		var made [2][]byte
		for i := range made {
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, write(path, files, modified))
			var err error
			made[i], err = os.ReadFile(path)
			require.NoError(t, err)
		}
		assert.Equal(t, made[0], made[1], name)
		require.ErrorIs(t, write(filepath.Join(t.TempDir(), "none", name), files, modified), os.ErrNotExist)
	}
	path := filepath.Join(t.TempDir(), "a.zip")
	require.NoError(t, writeZip(path, files, time.Time{}))
	archive, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer func() { assert.NoError(t, archive.Close()) }()
	require.Len(t, archive.File, 2)
	assert.Equal(t, 1980, archive.File[1].Modified.Year(), "there is no time before it")
	assert.Equal(t, os.FileMode(0o755), archive.File[1].Mode())
}

// fake writes what stands for the archives of all platforms.
func fake(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for _, platform := range pluginPlatforms {
		require.NoError(t, os.WriteFile(filepath.Join(dir, archiveFile(version, platform)), []byte(platform), 0o600))
	}
	return dir
}

func TestTheKrewManifestIsOneThatKrewInstalls(t *testing.T) {
	dir := fake(t, "v1.2.3")
	r := &release{Origin: image.Origin{Version: "v1.2.3", Source: "https://git.example.com/r"}}
	require.NoError(t, r.writeKrewManifest(dir, pluginPlatforms))
	text, err := os.ReadFile(filepath.Join(dir, krewFile))
	require.NoError(t, err)
	var plugin index.Plugin
	require.NoError(t, yaml.UnmarshalStrict(text, &plugin))
	assert.Equal(t, "krew.googlecontainertools.github.com/v1alpha2 Plugin", plugin.APIVersion+" "+plugin.Kind)
	assert.Equal(t, strings.TrimSuffix(krewFile, ".yaml"), plugin.Name)
	assert.True(t, semver.IsValid(plugin.Spec.Version), plugin.Spec.Version)
	assert.NotEmpty(t, plugin.Spec.ShortDescription)
	assert.LessOrEqual(t, len(plugin.Spec.ShortDescription), 50)
	assert.Equal(t, "https://git.example.com/r", plugin.Spec.Homepage)
	require.Len(t, plugin.Spec.Platforms, len(pluginPlatforms))
	for i, platform := range plugin.Spec.Platforms {
		name := platform.Selector.MatchLabels["os"] + "/" + platform.Selector.MatchLabels["arch"]
		assert.Equal(t, pluginPlatforms[i], name)
		assert.Equal(t, "https://git.example.com/r/releases/download/v1.2.3/"+archiveFile("v1.2.3", name), platform.URI)
		sum := sha256.Sum256([]byte(name))
		assert.Equal(t, hex.EncodeToString(sum[:]), platform.Sha256)
		assert.Equal(t, index.FileOperation{From: platform.Bin, To: "."}, platform.Files[0])
		assert.Equal(t, strings.HasPrefix(name, "windows/"), strings.HasSuffix(platform.Bin, ".exe"))
		assert.Equal(t, strings.HasPrefix(name, "windows/"), strings.HasSuffix(platform.URI, ".zip"))
	}
}

func TestAKrewManifestNeedsToKnowWhereTheArchivesAre(t *testing.T) {
	dir := fake(t, "3d9c146-dirty")
	r := &release{Origin: image.Origin{Version: "3d9c146-dirty"}}
	require.NoError(t, r.writeKrewManifest(dir, pluginPlatforms))
	assert.NoFileExists(t, filepath.Join(dir, krewFile))

	r.download = "https://files.example.com/plugin/"
	require.NoError(t, r.writeKrewManifest(dir, pluginPlatforms))
	text, err := os.ReadFile(filepath.Join(dir, krewFile))
	require.NoError(t, err)
	assert.Contains(t, string(text), "uri: https://files.example.com/plugin/kubectl-aws_iam_3d9c146-dirty_linux_amd64.tar.gz\n")
	assert.Contains(t, string(text), "version: v0.0.0-3d9c146-dirty\n", "krew refuses what is no semantic version")
}
