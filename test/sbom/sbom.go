// Package sbom says what a container image of Go programs consists of, as an SPDX document. What a program consists of it
// reads from the program itself: Go's linker writes the modules, their versions and checksums into each binary.
package sbom

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

// MediaType is that of a document, for registries and for those who look for one there.
const MediaType = "application/spdx+json"

// noAssertion is what SPDX has for what nobody looked up.
const noAssertion = "NOASSERTION"

// An Image is what a document describes.
type Image struct {
	// Name and Version are the product's, such as kube-aws-iam-controller and v1.2.3.
	Name, Version string
	// License is the product's, as SPDX names it.
	License string
	// Platform is such as linux/amd64, and Digest the image's own, such as sha256:….
	Platform, Digest string
	// Created is when the document says it was made; it makes two documents differ, so take the commit's time.
	Created time.Time
	// Files are all there are, by absolute path. Programs of Go are recognized.
	Files map[string][]byte
	// From are the modules that files which are no programs were taken from, by path.
	From map[string]Module
}

// A Module is one of Go.
type Module struct {
	Path, Version string
	// Sum is its checksum as in go.sum, such as h1:…; empty if there is none.
	Sum string
}

// Make returns the document as JSON. The same image makes the same bytes.
func Make(image *Image) ([]byte, error) {
	d, err := newDocument(image)
	if err != nil {
		return nil, err
	}
	for _, path := range sortedKeys(image.Files) {
		if err = d.addFile(image, path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if err = d.sealFiles(); err != nil {
		return nil, err
	}
	slices.SortFunc(d.Packages[1:], func(a, b *v2_3.Package) int {
		return strings.Compare(string(a.PackageSPDXIdentifier), string(b.PackageSPDXIdentifier))
	})
	if err = spdxlib.ValidateDocument(d.Document); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	var out bytes.Buffer
	if err = json.Write(d.Document, &out, json.Indent("  "), json.EscapeHTML(false)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// document is what is being written, and which modules are in it.
type document struct {
	*v2_3.Document

	image common.ElementID
	known map[common.ElementID]bool
}

// documentComment explains what a reader would have to guess.
const documentComment = "Modules are those that Go's linker recorded in the programs. The SHA256 of a module is its h1 of go.sum in " +
	"hexadecimal, which is a hash of the names and hashes of its files. Licenses of modules were not looked up."

func newDocument(image *Image) (*document, error) {
	top, err := imagePackage(image)
	if err != nil {
		return nil, err
	}
	d := &document{
		image: top.PackageSPDXIdentifier,
		known: map[common.ElementID]bool{},
		Document: &v2_3.Document{
			SPDXVersion:    v2_3.Version,
			DataLicense:    v2_3.DataLicense,
			SPDXIdentifier: "DOCUMENT",
			DocumentName:   fmt.Sprintf("%s-%s-%s", image.Name, image.Version, strings.ReplaceAll(image.Platform, "/", "-")),
			// It has to be unique, which the digest of what is described is.
			DocumentNamespace: fmt.Sprintf("https://spdx.org/spdxdocs/%s-%s", image.Name, strings.ReplaceAll(image.Digest, ":", "-")),
			DocumentComment:   documentComment,
			CreationInfo: &v2_3.CreationInfo{
				Created:  image.Created.UTC().Format(time.RFC3339),
				Creators: []common.Creator{{CreatorType: "Tool", Creator: image.Name + "-release"}},
			},
			Packages: []*v2_3.Package{top},
		},
	}
	d.relate("DOCUMENT", common.TypeRelationshipDescribe, d.image)
	return d, nil
}

// relate adds a relationship.
func (d *document) relate(a common.ElementID, relationship string, b common.ElementID) {
	d.Relationships = append(d.Relationships, &v2_3.Relationship{
		RefA: common.MakeDocElementID("", string(a)), Relationship: relationship, RefB: common.MakeDocElementID("", string(b)),
	})
}
