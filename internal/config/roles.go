package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/identity"
)

// tagsValue implements kingpin.Value for key=value,key=value.
type tagsValue map[string]string

// Set implements kingpin.Value.
func (t *tagsValue) Set(text string) error {
	*t = tagsValue{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		if !found {
			return fmt.Errorf("%s is not a tag: expected key=value,key=value", identity.Quote(pair))
		}
		(*t)[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return nil
}

// String implements kingpin.Value.
func (t *tagsValue) String() string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(*t)) {
		pairs = append(pairs, key+"="+(*t)[key])
	}
	return strings.Join(pairs, ",")
}

// Characters that IAM allows, see https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
// and https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html. How many there
// may be is no part of the expressions: a repeated \p{L} takes megabytes.
var (
	tagKey   = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$`)
	tagValue = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@*]*$`)
	rolePath = regexp.MustCompile(`^/(?:[\x21-\x7E]+/)?$`)
)

const (
	maxTagKey   = 128 // characters
	maxTagValue = 256
	maxPath     = 512
)

// maxTags leaves room for the controller's own tags, and for those of others.
const maxTags = 40

// reservedTags are the keys that the controller itself sets.
var reservedTags = []string{api.ManagedByTag, api.ClusterTag, api.NamespaceTag, api.ServiceAccountTag, api.ClusterUIDTag, api.RetainedTag}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%d tags are too many: expected at most %d", len(tags), maxTags)
	}
	seen := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		folded := strings.ToLower(key)
		switch {
		case !tagKey.MatchString(key) || utf8.RuneCountInString(key) > maxTagKey || strings.HasPrefix(folded, "aws:"):
			return fmt.Errorf("%s is not the key of a tag: expected 1 to 128 letters, digits, spaces and _.:/=+-@, the first not those of AWS's own (aws: …)", identity.Quote(key))
		case !tagValue.MatchString(tags[key]) || utf8.RuneCountInString(tags[key]) > maxTagValue:
			return fmt.Errorf("the value of the tag %s is malformed: expected at most 256 letters, digits, spaces and _.:/=+-@*", identity.Quote(key))
		case slices.Contains(reservedTags, folded):
			return fmt.Errorf("the tag %s is the controller's own: leave it out", identity.Quote(key))
		case seen[folded]:
			return fmt.Errorf("the tag %s is given twice: IAM takes keys for equal whatever their case", identity.Quote(key))
		}
		seen[folded] = true
	}
	return nil
}

func checkPath(value string) error {
	if !rolePath.MatchString(value) || len(value) > maxPath {
		return fmt.Errorf("%s is not a path: expected one that begins and ends with a slash, such as /teams/", identity.Quote(value))
	}
	return nil
}

func checkUID(value string) error {
	if _, err := uuid.Parse(value); err != nil || len(value) != 36 {
		return fmt.Errorf("%s is not the UID of a Namespace: expected what kubectl get namespace kube-system -o jsonpath={.metadata.uid} said in that cluster", identity.Quote(value))
	}
	return nil
}

func checkPolicyARN(value string) error {
	arns, err := identity.ParseManagedPolicies(value)
	if err == nil && len(arns) != 1 {
		return errors.New("must be the ARN of one managed policy")
	}
	return err
}
