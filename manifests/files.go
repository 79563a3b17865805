// Package manifests embeds what is shipped, so that programs can say what an installation
// has to consist of without a list of their own.
package manifests

import "embed"

// Files are the manifests, by their path within this directory.
//
//go:embed prerequisites/*.yaml namespaced/*/*.yaml controller/*.yaml components/*/*.yaml
var Files embed.FS
