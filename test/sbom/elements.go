package sbom

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // SPDX demands it of files, beside what is safe
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/utils"
)

// imagePackage is the image as a whole.
func imagePackage(image *Image) (*v2_3.Package, error) {
	algorithm, digest, found := strings.Cut(image.Digest, ":")
	if !found || algorithm != "sha256" {
		return nil, fmt.Errorf("digest %q is not a SHA-256", image.Digest)
	}
	arch := packageurl.QualifiersFromMap(map[string]string{"arch": path.Base(image.Platform)})
	p := newPackage("image", image.Name, image.Version, packageurl.NewPackageURL(packageurl.TypeOCI, "", image.Name, image.Digest, arch, ""))
	p.PrimaryPackagePurpose = "CONTAINER"
	p.PackageLicenseDeclared = image.License
	p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: digest}}
	return p, nil
}

// sealFiles says that the document has all files of the image, with a checksum over theirs: validators accept files in no
// other package.
func (d *document) sealFiles() error {
	code, err := utils.GetVerificationCode(d.Files, "")
	if err != nil {
		return fmt.Errorf("verification code: %w", err)
	}
	image := d.Packages[0]
	image.FilesAnalyzed, image.PackageVerificationCode = true, &code
	image.PackageLicenseInfoFromFiles = []string{noAssertion}
	return nil
}

// newPackage returns a package of which nothing else is known.
func newPackage(id common.ElementID, name, version string, purl *packageurl.PackageURL) *v2_3.Package {
	return &v2_3.Package{
		PackageName:             name,
		PackageSPDXIdentifier:   id,
		PackageVersion:          version,
		PackageSupplier:         &common.Supplier{Supplier: noAssertion},
		PackageDownloadLocation: noAssertion,
		PackageLicenseConcluded: noAssertion,
		PackageLicenseDeclared:  noAssertion,
		PackageCopyrightText:    noAssertion,
		PackageExternalReferences: []*v2_3.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: purl.ToString(),
		}},
	}
}

// addFile adds a file, and what it was made from.
func (d *document) addFile(image *Image, name string) error {
	content := image.Files[name]
	file := &v2_3.File{
		FileName:           "." + name,
		FileSPDXIdentifier: identifier("File", name),
		FileTypes:          []string{"OTHER"},
		Checksums:          checksums(content),
		LicenseConcluded:   noAssertion,
		LicenseInfoInFiles: []string{noAssertion},
		FileCopyrightText:  noAssertion,
	}
	d.Files = append(d.Files, file)
	d.relate(d.image, common.TypeRelationshipContains, file.FileSPDXIdentifier)
	if module, known := image.From[name]; known {
		return d.addModule(file.FileSPDXIdentifier, common.TypeRelationshipGeneratedFrom, module)
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("neither a program of Go nor known to be from a module: %w", err)
	}
	file.FileTypes = []string{"BINARY"}
	return d.addProgram(file.FileSPDXIdentifier, image, info)
}

// addProgram adds the modules that are linked into a program, its own and the standard library among them.
func (d *document) addProgram(file common.ElementID, image *Image, info *debug.BuildInfo) error {
	own := Module{Path: info.Main.Path, Version: image.Version}
	if err := d.addModule(file, common.TypeRelationshipGeneratedFrom, own); err != nil {
		return err
	}
	d.Packages[slices.IndexFunc(d.Packages, own.isIn)].PackageLicenseDeclared = image.License
	linked := []Module{{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		linked = append(linked, Module{Path: module.Path, Version: module.Version, Sum: module.Sum})
	}
	for _, module := range linked {
		if err := d.addModule(file, common.TypeRelationshipStaticLink, module); err != nil {
			return err
		}
	}
	return nil
}

func (m Module) id() common.ElementID              { return identifier("Module", m.Path+"-"+m.Version) }
func (m Module) isIn(candidate *v2_3.Package) bool { return candidate.PackageSPDXIdentifier == m.id() }

// addModule says how a file relates to a module, and adds the module if it is new.
func (d *document) addModule(file common.ElementID, relationship string, m Module) error {
	d.relate(file, relationship, m.id())
	if d.known[m.id()] {
		return nil
	}
	d.known[m.id()] = true
	namespace, name := path.Split(m.Path)
	p := newPackage(m.id(), m.Path, m.Version,
		packageurl.NewPackageURL(packageurl.TypeGolang, strings.TrimSuffix(namespace, "/"), name, m.Version, nil, ""))
	p.PrimaryPackagePurpose = "LIBRARY"
	if m.Sum != "" {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil {
			return fmt.Errorf("checksum of %s: %w", m.Path, err)
		}
		p.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: hex.EncodeToString(sum)}}
	}
	d.Packages = append(d.Packages, p)
	d.relate(d.image, common.TypeRelationshipContains, m.id())
	return nil
}

func checksums(content []byte) []common.Checksum {
	short, long := sha1.Sum(content), sha256.Sum256(content) //nolint:gosec // see above
	return []common.Checksum{
		{Algorithm: common.SHA1, Value: hex.EncodeToString(short[:])},
		{Algorithm: common.SHA256, Value: hex.EncodeToString(long[:])},
	}
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// identifier returns one of the characters that SPDX allows.
func identifier(kind, name string) common.ElementID {
	return common.ElementID(kind + "-" + strings.Trim(unfit.ReplaceAllString(name, "-"), "-"))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
