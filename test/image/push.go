package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push writes an index, and all that is in it, to a registry, with the credentials of "docker login" and its like. It
// returns the name by which the index is to be had for ever.
func Push(ctx context.Context, tag string, index v1.ImageIndex) (string, error) {
	reference, err := name.NewTag(tag)
	if err != nil {
		return "", fmt.Errorf("tag: %w", err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	if err = remote.WriteIndex(reference, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	return reference.Context().Digest(digest.String()).String(), nil
}
