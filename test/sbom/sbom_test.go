package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/utils"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// trustedRoots are what the image has besides programs.
const trustedRoots = "/etc/roots.crt"

// program is a package with modules in it.
const program = "../cmd/image"

// built is the binary of that package, built once.
var built = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sbom-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "program")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, program).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(path)
})

// example is an image with that program.
func example(t *testing.T) *Image {
	t.Helper()
	content, err := built()
	require.NoError(t, err)
	return &Image{
		Name: "product", Version: "v1.2.3", License: "Apache-2.0", Platform: "linux/arm64",
		Digest:  "sha256:" + strings.Repeat("ab", 32),
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		Files:   map[string][]byte{"/program": content, trustedRoots: []byte("roots")},
		From:    map[string]Module{trustedRoots: {Path: "example.com/roots", Version: "v0.1.0+incompatible"}},
	}
}

// made is the document as those read it who are given it.
func made(t *testing.T, image *Image) *spdx.Document {
	t.Helper()
	text, err := Make(image)
	require.NoError(t, err)
	again, err := Make(image)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(text, again), "the same image makes the same bytes")
	document, err := json.Read(bytes.NewReader(text))
	require.NoError(t, err)
	return document
}

// packages are those of a document by name.
func packages(document *spdx.Document) map[string]*spdx.Package {
	found := map[string]*spdx.Package{}
	for _, p := range document.Packages {
		found[p.PackageName] = p
	}
	return found
}

// linked prints the modules of packages.
const linked = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"

func TestEveryLinkedModuleIsListedWithTheChecksumOfGoSum(t *testing.T) {
	image := example(t)
	found := packages(made(t, image))
	goSum, err := os.ReadFile("../go.sum")
	require.NoError(t, err)
	lines, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", linked, program).Output()
	require.NoError(t, err)
	count := 0
	for module := range strings.Lines(string(lines)) {
		name, version, is := strings.Cut(strings.TrimSpace(module), " ")
		if !is {
			continue
		}
		count++
		require.Contains(t, found, name)
		p := found[name]
		assert.Equal(t, version, p.PackageVersion)
		assert.Equal(t, "pkg:golang/"+name+"@"+strings.ReplaceAll(version, "+", "%2b"), strings.ToLower(p.PackageExternalReferences[0].Locator), name)
		sum, failed := hex.DecodeString(p.PackageChecksums[0].Value)
		require.NoError(t, failed)
		assert.Contains(t, string(goSum), name+" "+version+" h1:"+base64.StdEncoding.EncodeToString(sum)+"\n")
	}
	assert.Greater(t, count, 10)
	assert.Contains(t, found, "stdlib")
	assert.Equal(t, "v1.2.3", found["kube-aws-iam-controller/test"].PackageVersion, "the program's own module")
	assert.Equal(t, "pkg:golang/example.com/roots@v0.1.0%2Bincompatible", found["example.com/roots"].PackageExternalReferences[0].Locator)
}

func TestTheDocumentDescribesTheImageAndItsFiles(t *testing.T) {
	image := example(t)
	document := made(t, image)
	assert.Equal(t, "SPDX-2.3", document.SPDXVersion)
	assert.Equal(t, "2026-01-02T02:04:05Z", document.CreationInfo.Created)
	assert.Contains(t, document.DocumentNamespace, strings.Repeat("ab", 32), "unique to the image")
	product := packages(document)["product"]
	assert.Equal(t, "CONTAINER", product.PrimaryPackagePurpose)
	assert.Equal(t, "pkg:oci/product@sha256:"+strings.Repeat("ab", 32)+"?arch=arm64", strings.ReplaceAll(product.PackageExternalReferences[0].Locator, "%3A", ":"))

	relations := map[string]bool{}
	for _, r := range document.Relationships {
		relations[strings.Join([]string{string(r.RefA.ElementRefID), r.Relationship, string(r.RefB.ElementRefID)}, " ")] = true
	}
	for _, want := range []string{
		"DOCUMENT DESCRIBES image", "image CONTAINS File-program", "image CONTAINS File-etc-roots.crt",
		"File-etc-roots.crt GENERATED_FROM Module-example.com-roots-v0.1.0-incompatible",
		"File-program GENERATED_FROM Module-kube-aws-iam-controller-test-v1.2.3",
	} {
		assert.True(t, relations[want], want)
	}
	require.Len(t, document.Files, 2)
	code, err := utils.GetVerificationCode(document.Files, "")
	require.NoError(t, err)
	assert.True(t, product.FilesAnalyzed, "the files are all there are")
	assert.Equal(t, &code, product.PackageVerificationCode)
	sum := sha256.Sum256(image.Files["/program"])
	assert.Equal(t, "./program", document.Files[1].FileName)
	assert.Contains(t, document.Files[1].Checksums, common.Checksum{Algorithm: common.SHA256, Value: hex.EncodeToString(sum[:])})
}

func TestAFileOfUnknownOriginIsRefused(t *testing.T) {
	image := example(t)
	image.Files["/etc/passwd"] = []byte("root")
	_, err := Make(image)
	require.ErrorContains(t, err, "/etc/passwd: neither a program of Go nor known to be from a module")

	image = example(t)
	image.Digest = "latest"
	_, err = Make(image)
	assert.ErrorContains(t, err, `digest "latest"`)
}
