package kit

import (
	"context"
	"encoding/base64"
	"os"
	"strings"

	"kube-aws-iam-controller/test/cluster"
)

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
	places := map[string]string{"log": string(text)}
	for _, c := range controllers {
		if c.Running() {
			if places["metrics of "+c.address], err = c.Get(ctx, "/metrics"); err != nil {
				return nil, err
			}
		}
	}
	for _, kinds := range []string{"events", "serviceaccounts,pods,awsiamroles"} {
		if places[kinds], err = access.Kubectl(ctx, "get", kinds, "-A", "-o", "json"); err != nil {
			return nil, err
		}
	}
	places["metadata of secrets"], err = access.Kubectl(ctx, "get", "secrets", "-A", "-o",
		`jsonpath={range .items[*]}{.metadata}{"\n"}{end}`)
	var found []string
	for place, content := range places {
		if tells(content, aws.IssuedSecrets()) {
			found = append(found, place)
		}
	}
	return found, err
}

func tells(content string, secrets []string) bool {
	for _, secret := range secrets {
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		if strings.Contains(content, secret) || strings.Contains(content, strings.TrimRight(encoded, "=")) {
			return true
		}
	}
	return false
}
