package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/debian"
	"kube-aws-iam-controller/test/kit"
)

// requirePackages skips a test where packages of Debian cannot be had.
func requirePackages(t *testing.T, packages map[string]string) {
	t.Helper()
	if err := debian.Install(t.Context(), os.Stderr, packages); err != nil {
		t.Skip(err)
	}
}

// output runs a command that has to succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v: %s", name, args, problem.String())
	return strings.TrimSpace(string(out))
}

// emulators run what is built for a platform on another, with the packages of Debian that they are in.
var emulators = map[string]string{"linux/amd64": "qemu-x86_64-static", "linux/arm64": "qemu-aarch64-static"}

// versionOf returns the arguments with which a program prints its version, and what that is for origin.
func versionOf(program Program) (args []string, want string) {
	if program.Path == Plugin {
		return []string{"version", "--client"}, "kubectl aws-iam " + origin.Version
	}
	return []string{"version"}, origin.Version
}

func TestTheProgramsRunOnEveryPlatform(t *testing.T) {
	kit.FullOnly(t, "emulates another processor")
	for _, platform := range Platforms {
		t.Run(platform, func(t *testing.T) {
			run := func(binary string, args []string) string { return output(t, binary, args...) }
			if platform != "linux/"+runtime.GOARCH {
				requirePackages(t, map[string]string{emulators[platform]: "qemu-user-static"})
				run = func(binary string, args []string) string {
					return output(t, emulators[platform], append([]string{binary}, args...)...)
				}
			}
			options := origin.Options()
			options.Platform = platform
			made, err := Make(t.Context(), options)
			require.NoError(t, err)
			files, err := Files(made)
			require.NoError(t, err)
			for _, program := range Product {
				binary := filepath.Join(t.TempDir(), "binary")
				require.NoError(t, os.WriteFile(binary, files[program.Path], 0o700))
				args, want := versionOf(program)
				assert.Equal(t, want, run(binary, args), program.Path)
			}
		})
	}
}

func TestOtherToolsCopyTheIndexWithAllThatIsInIt(t *testing.T) {
	kit.FullOnly(t, "installs skopeo")
	requirePackages(t, map[string]string{"skopeo": "skopeo"})
	index, err := MakeIndex(t.Context(), small(), Platforms...)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "image.tar")
	_, err = SaveIndex(path, "product:v1.2.3", index.Index)
	require.NoError(t, err)
	tag := newRegistry(t) + "/product:v1.2.3"
	output(t, "skopeo", "--insecure-policy", "copy", "--all", "--dest-tls-verify=false", "oci-archive:"+path, "docker://"+tag)
	arrived(t, tag, index)
}

func TestAnotherDirectoryAndAnEmptyCacheMakeTheSameProgram(t *testing.T) {
	kit.FullOnly(t, "compiles everything anew")
	root, err := cluster.Root()
	require.NoError(t, err)
	elsewhere := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, failed := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, failed)
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, name), content, 0o600))
	}
	for _, name := range []string{"internal", "cmd"} {
		require.NoError(t, os.CopyFS(filepath.Join(elsewhere, name), os.DirFS(filepath.Join(root, name))))
	}
	here, err := Make(t.Context(), Options{Programs: Product[1:2], Platform: "linux/arm64", Version: "v1"})
	require.NoError(t, err)

	t.Setenv("GOCACHE", t.TempDir())
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("GOARM64", "v9.0")
	program := Product[1]
	program.Root = elsewhere
	there, err := Make(t.Context(), Options{Programs: []Program{program}, Platform: "linux/arm64", Version: "v1"})
	require.NoError(t, err)
	want, err := here.Digest()
	require.NoError(t, err)
	got, err := there.Digest()
	require.NoError(t, err)
	assert.Equal(t, want, got)
}
