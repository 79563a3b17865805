package iamprovision

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// ownerTags returns the tags that identify a role as an identity's.
func ownerTags(cluster string, key identity.Key) map[string]string {
	return map[string]string{
		api.ManagedByTag: api.ControllerName, api.ClusterTag: cluster, api.NamespaceTag: key.Namespace, api.ServiceAccountTag: key.Name,
	}
}

// createTags returns the tags of a new role.
func (s spec) createTags() map[string]string {
	tags := maps.Clone(s.tags)
	if s.clusterUID != "" {
		tags[api.ClusterUIDTag] = s.clusterUID
	}
	return tags
}

// containsTags reports whether have includes all tags of want.
func containsTags(have map[string]string, want map[string]string) bool {
	for key, value := range want {
		if got, has := have[key]; !has || got != value {
			return false
		}
	}
	return true
}

func toMap(tags []types.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

func toTags(m map[string]string) []types.Tag {
	all := make([]types.Tag, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, types.Tag{Key: new(key), Value: new(m[key])})
	}
	return all
}
