package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"kube-aws-iam-controller/test/sbom"
)

// noPlatform is that of what is in an index and not to be run, so that nobody who looks for an image takes it.
var noPlatform = &v1.Platform{OS: "unknown", Architecture: "unknown"}

// attach adds a document to an index as OCI says: an artifact whose subject is the image. Registries that know of
// subjects list it among the image's referrers, and who copies the index copies it, too.
func attach(index v1.ImageIndex, image v1.Image, document []byte) (v1.ImageIndex, error) {
	subject, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	artifact, err := newArtifact(subject, document)
	if err != nil {
		return nil, err
	}
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: artifact, Descriptor: v1.Descriptor{Platform: noPlatform},
	}), nil
}

// An artifact is a manifest of a single blob, and no image: its configuration is empty.
type artifact struct {
	blob     v1.Layer
	manifest []byte
}

// emptyConfig is the configuration that OCI prescribes where there is none.
var emptyConfig = []byte("{}")

func newArtifact(subject *v1.Descriptor, document []byte) (v1.Image, error) {
	blob := static.NewLayer(document, sbom.MediaType)
	layer, err := partial.Descriptor(blob)
	if err != nil {
		return nil, err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(emptyConfig))
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  sbom.MediaType,
		Config:        v1.Descriptor{MediaType: types.OCIEmptyJSON, Size: size, Digest: digest},
		Layers:        []v1.Descriptor{*layer},
		Subject:       &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&artifact{blob: blob, manifest: manifest})
}

func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *artifact) RawConfigFile() ([]byte, error)      { return emptyConfig, nil }
func (a *artifact) LayerByDigest(hash v1.Hash) (partial.CompressedLayer, error) {
	if digest, err := a.blob.Digest(); err != nil || digest != hash {
		return nil, fmt.Errorf("no blob %s in the artifact: %w", hash, err)
	}
	return a.blob, nil
}
