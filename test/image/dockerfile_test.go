package image

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// A builder is buildah with a storage of its own, in which nothing is pulled.
type builder struct {
	*testing.T

	dir string
}

func newBuilder(t *testing.T) *builder {
	t.Helper()
	requirePackages(t, map[string]string{"buildah": "buildah", "busybox": "busybox-static"})
	return &builder{T: t, dir: t.TempDir()}
}

func (b *builder) run(command string, args ...string) string {
	b.Helper()
	storage := []string{"--root=" + b.dir + "/root", "--runroot=" + b.dir + "/run", "--storage-driver=vfs", command}
	return output(b.T, "buildah", append(storage, args...)...)
}

// The base, and what is built on it.
const (
	baseImage  = "localhost/golang:test"
	builtImage = "localhost/product:test"
)

// base makes the image that has Go. It has a shell and the settings; Go itself, and what it has fetched and compiled
// before, are volumes, because no registry and no proxy are asked.
func (b *builder) base() {
	b.Helper()
	shell, err := os.ReadFile("/bin/busybox")
	require.NoError(b, err)
	made, err := Make(b.Context(), Options{
		Programs: []Program{{Path: "/pause", Dir: "test", Package: "./cmd/pause"}},
		Platform: "linux/" + runtime.GOARCH,
		Files:    map[string][]byte{"/bin/sh": shell, "/bin/mkdir": shell, "/tmp/empty": nil},
	})
	require.NoError(b, err)
	config, err := made.ConfigFile()
	require.NoError(b, err)
	config.Config.User, config.Config.Entrypoint = "", nil
	config.Config.Env = []string{
		"PATH=/usr/local/go/bin:/bin", "HOME=/tmp", "GOMODCACHE=/modules", "GOCACHE=/cache", "GOPROXY=off", "GOTOOLCHAIN=local",
	}
	made, err = mutate.ConfigFile(made, config)
	require.NoError(b, err)
	path := filepath.Join(b.dir, "base.tar")
	require.NoError(b, Save(path, baseImage, made))
	b.run("pull", "-q", "docker-archive:"+path)
}

// build builds the Dockerfile.
func (b *builder) build(arguments ...string) {
	b.Helper()
	root, err := cluster.Root()
	require.NoError(b, err)
	args := []string{"--quiet", "--isolation=chroot", "--pull-never", "--layers=false", "--tag=" + builtImage}
	for _, argument := range append(arguments, "GOLANG_IMAGE="+baseImage) {
		args = append(args, "--build-arg="+argument)
	}
	for variable, path := range map[string]string{"GOROOT": "/usr/local/go", "GOMODCACHE": "/modules", "GOCACHE": "/cache"} {
		args = append(args, "--volume="+output(b.T, "go", "env", variable)+":"+path)
	}
	b.run("build", append(args, root)...)
}

// labels are those of what was built, but for the builder's own.
func (b *builder) labels() map[string]string {
	b.Helper()
	var image struct {
		OCIv1 struct {
			Config struct {
				Labels map[string]string `json:"Labels"`
			} `json:"config"`
		} `json:"OCIv1"`
	}
	require.NoError(b, json.Unmarshal([]byte(b.run("inspect", "--type=image", builtImage)), &image))
	labels := image.OCIv1.Config.Labels
	delete(labels, "io.buildah.version")
	return labels
}

func TestTheDockerfileBuildsTheSamePrograms(t *testing.T) {
	kit.FullOnly(t, "builds the Dockerfile")
	b := newBuilder(t)
	b.base()
	output(t, "go", "-C", "../..", "mod", "download")
	b.build("VERSION="+origin.Version, "REVISION="+origin.Revision)

	want := Origin{Version: origin.Version, Revision: origin.Revision}
	assert.Equal(t, want.labels(), b.labels())
	options := origin.Options()
	options.Platform = "linux/" + runtime.GOARCH
	made, err := Make(t.Context(), options)
	require.NoError(t, err)
	files, err := Files(made)
	require.NoError(t, err)
	container := b.run("from", "--pull-never", builtImage)
	mounted := b.run("mount", container)
	for _, program := range Product {
		args, version := versionOf(program)
		assert.Equal(t, version, b.run("run", append([]string{"--isolation=chroot", container, "--", program.Path}, args...)...))
		content, err := os.ReadFile(filepath.Join(mounted, program.Path))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(files[program.Path], content), "%s is what make image makes", program.Path)
	}
}
