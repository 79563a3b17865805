package iamprovision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// Lengths of the parts of a role name, which IAM limits to 64 characters:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html.
const (
	maxReadable = 53
	hashDigits  = 10
)

// RoleName returns the name of an identity's managed role. The first part is for
// people; the hash of the complete identity makes it unique.
func RoleName(cluster string, key identity.Key) string {
	name := key.Namespace + "." + key.Name
	sum := sha256.Sum256([]byte(cluster + "/" + key.Namespace + "/" + key.Name))
	return name[:min(len(name), maxReadable)] + "-" + hex.EncodeToString(sum[:])[:hashDigits]
}

// DefaultPath returns the default path of a cluster's managed roles, with leading
// and trailing slash.
func DefaultPath(cluster string) string { return "/" + api.ControllerName + "/" + cluster + "/" }

// Reference returns the managed role of an identity, whether or not it exists.
func (p *Provisioner) Reference(ctx context.Context, key identity.Key) (identity.RoleReference, error) {
	home, err := p.Account(ctx)
	if err != nil {
		return identity.RoleReference{}, err
	}
	return identity.RoleReference{
		Partition: home.Partition, Account: home.Account,
		Path: strings.TrimPrefix(p.Path, "/"), Name: RoleName(p.ClusterName, key),
	}, nil
}
