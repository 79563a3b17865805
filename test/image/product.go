package image

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/sbom"
)

// Product is the image that is shipped: the Dockerfile makes the same.
var Product = []Program{
	{Path: "/kube-aws-iam-controller", Package: "."},
	{Path: "/credentials-server", Package: "./cmd/credentials-server"},
	{Path: Plugin, Package: "./cmd/kubectl-aws_iam"},
}

// Plugin is the path of the kubectl plugin, which the Job runs that comes before uninstalling.
const Plugin = "/kubectl-aws_iam"

// Platforms are those for which it is shipped.
var Platforms = []string{"linux/amd64", "linux/arm64"}

// What the image says of itself. The Dockerfile says the same.
const (
	title       = "kube-aws-iam-controller"
	description = "Gives each Kubernetes ServiceAccount its own AWS IAM role"
	license     = "Apache-2.0"
)

// labelPrefix is that of the keys that OCI defines.
const labelPrefix = "org.opencontainers.image."

// An Origin is what a build is made from. What is empty is unknown, and not told.
type Origin struct {
	// Version is what the programs say they are.
	Version string
	// Revision is the commit.
	Revision string
	// Source is the address of the repository.
	Source string
	// Created is the time of the commit. The time of the build would make two builds differ.
	Created time.Time
}

// epochVariable is the environment variable that has the time of the commit, as reproducible-builds.org defines it.
const epochVariable = "SOURCE_DATE_EPOCH"

// Flags adds what the Makefile says of a build. The time is read by ReadEpoch.
func (o *Origin) Flags(flags *flag.FlagSet) {
	flags.StringVar(&o.Version, "version", "unknown", "what the programs say they are, and the tag of the image")
	flags.StringVar(&o.Revision, "revision", "", "`commit` that is built, for the labels of the image")
	flags.StringVar(&o.Source, "source", "", "`address` of the repository, for the labels of the image")
}

// ReadEpoch sets the time from SOURCE_DATE_EPOCH, in seconds since 1970, if that is set.
func (o *Origin) ReadEpoch() error {
	text := os.Getenv(epochVariable)
	if text == "" {
		return nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %q is not a number of seconds since 1970", epochVariable, text)
	}
	o.Created = time.Unix(seconds, 0)
	return nil
}

// Options say how to make the product.
func (o *Origin) Options() Options {
	return Options{Programs: Product, Version: o.Version, Labels: o.labels(), Created: o.Created}
}

func (o *Origin) labels() map[string]string {
	labels := map[string]string{"title": title, "description": description, "licenses": license}
	if !o.Created.IsZero() {
		labels["created"] = o.Created.UTC().Format(time.RFC3339)
	}
	for key, value := range map[string]string{"version": o.Version, "revision": o.Revision, "source": o.Source} {
		if value != "" {
			labels[key] = value
		}
	}
	prefixed := map[string]string{}
	for key, value := range labels {
		prefixed[labelPrefix+key] = value
	}
	return prefixed
}

// rootsModule is where the certificate authorities come from.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

// document returns the SBOM of an image of the product.
func document(ctx context.Context, options Options, made v1.Image) ([]byte, error) {
	files, err := Files(made)
	if err != nil {
		return nil, err
	}
	digest, err := made.Digest()
	if err != nil {
		return nil, err
	}
	roots, err := required(ctx, rootsModule)
	if err != nil {
		return nil, err
	}
	created := options.Created
	if created.IsZero() {
		created = time.Unix(0, 0) // a document has to have a time
	}
	return sbom.Make(&sbom.Image{
		Name: title, Version: options.Version, License: license, Platform: options.Platform, Digest: digest.String(),
		Created: created, Files: files, From: map[string]sbom.Module{authoritiesPath: roots},
	})
}

// required returns a module that the module of the tests requires.
func required(ctx context.Context, module string) (sbom.Module, error) {
	root, err := cluster.Root()
	if err != nil {
		return sbom.Module{}, err
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}} {{.Sum}}", module) //nolint:gosec // a module of ours
	list.Dir, list.Env = filepath.Join(root, "test"), append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	version, sum, found := strings.Cut(strings.TrimSpace(string(out)), " ")
	if err != nil || !found {
		return sbom.Module{}, fmt.Errorf("version of %s: %w: %s", module, err, out)
	}
	return sbom.Module{Path: module, Version: version, Sum: sum}, nil
}
