package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// plain is an index under a name that none of its methods has, to embed it.
type plain = v1.ImageIndex

// A rawIndex is an index in the bytes of OCI's own types. Tools that read an index and write it anew, as older skopeo
// does on its way to a registry, write these: its digest stays the same.
type rawIndex struct {
	plain

	raw []byte
}

// rewrite returns an index in those bytes. Types of artifacts, which are in the artifacts themselves, are left out of it
// because older tools would.
func rewrite(index v1.ImageIndex) (v1.ImageIndex, error) {
	raw, err := index.RawManifest()
	if err != nil {
		return nil, err
	}
	var read ocispec.Index
	if err = json.Unmarshal(raw, &read); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	for i := range read.Manifests {
		read.Manifests[i].ArtifactType = ""
	}
	if raw, err = json.Marshal(read); err != nil {
		return nil, err
	}
	return &rawIndex{plain: index, raw: raw}, nil
}

func (i *rawIndex) RawManifest() ([]byte, error) { return i.raw, nil }
func (i *rawIndex) Digest() (v1.Hash, error)     { return partial.Digest(i) }
func (i *rawIndex) Size() (int64, error)         { return partial.Size(i) }
func (i *rawIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(i.raw))
}
