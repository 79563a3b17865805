package kit

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"kube-aws-iam-controller/test/cluster"
)

// readable are the collections that many may read, by path.
var readable = map[string]string{
	"events":          "/api/v1/events",
	"ServiceAccounts": "/api/v1/serviceaccounts",
	"pods":            "/api/v1/pods",
	"AWSIAMRoles":     "/apis/zalando.org/v1/awsiamroles",
}

// secretsPath is that of Secrets, of which only the metadata may be read by many.
const secretsPath = "/api/v1/secrets"

// Leaks greps logs, events, metrics and annotations for every key, secret and token that AWS issued, and returns where it
// found one. The log is a file that controllers wrote; without one nothing ever ran.
func Leaks(ctx context.Context, access *cluster.Access, aws *AWS, log string, controllers ...*Controller) ([]string, error) {
	text, err := os.ReadFile(log) //nolint:gosec // a path of our own making
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	places := map[string][]byte{"log": text}
	for _, c := range controllers {
		if c.Running() {
			metrics, failed := c.Get(ctx, "/metrics")
			if failed != nil {
				return nil, failed
			}
			places["metrics of "+c.address] = []byte(metrics)
		}
	}
	for kind, path := range readable {
		places[kind], err = raw(ctx, access, path, "application/json")
		if err != nil {
			return nil, err
		}
	}
	places["metadata of secrets"], err = raw(ctx, access, secretsPath, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
	if err != nil {
		return nil, err
	}
	needles := needles(aws.IssuedSecrets())
	var found []string
	for place, content := range places {
		if tells(content, needles) {
			found = append(found, place)
		}
	}
	return found, nil
}

// raw returns a collection as the API server sends it. There is none of a kind that is not installed.
func raw(ctx context.Context, access *cluster.Access, path, accept string) ([]byte, error) {
	content, err := access.Client().CoreV1().RESTClient().Get().AbsPath(path).SetHeader("Accept", accept).DoRaw(ctx)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return content, err
}

// needles are what not to find: secrets, and their encodings.
func needles(secrets []string) [][]byte {
	all := make([][]byte, 0, 2*len(secrets))
	for _, secret := range secrets {
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		all = append(all, []byte(secret), []byte(strings.TrimRight(encoded, "=")))
	}
	return all
}

func tells(content []byte, needles [][]byte) bool {
	for _, needle := range needles {
		if bytes.Contains(content, needle) {
			return true
		}
	}
	return false
}
