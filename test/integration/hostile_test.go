package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hostileRoles are values that nobody can be served for, with a part of what is said of them.
func hostileRoles() map[string]string {
	return map[string]string{
		"":                                  "is empty",
		" ":                                 "",
		"a b":                               "",
		"\x00":                              "",
		"app\n[default]\naws_access_key=x":  "",
		"app\x1b[31m":                       "",
		strings.Repeat("x", 250_000):        " bytes)",
		strings.Repeat("d/", 600) + "deep":  "",
		"rôle":                              "",
		"役割":                                "",
		"app\u202egnp":                      "",
		"/":                                 "",
		"/app/":                             "",
		"a//b":                              "",
		"../../app":                         "",
		"arn:":                              "",
		"arn:aws:iam::123456789012:user/me": "",
		"arn:aws:iam::123456789012:root":    "",
		"arn:aws:iam::123456789012:role/":   "",
		"arn:aws:iam::12345:role/app":       "",
		"arn:aws:iam::123456789012:role/app:extra":           "",
		"arn:aws:sts::123456789012:assumed-role/app/session": "",
		"arn:aws:s3:::bucket":                                "",
		"arn:evil:iam::123456789012:role/app":                "",
		"ARN:AWS:IAM::123456789012:ROLE/APP":                 "",
		`{"Fn::GetAtt":["Role","Arn"]}`:                      "",
		"$(AWS_SECRET_ACCESS_KEY)":                           "",
		"%s%n%x":                                             "",
	}
}

func TestHostileValuesAreRefusedByName(t *testing.T) {
	w := newWorld(t)
	w.iamRole("", "app")
	c := w.start()
	type wanted struct{ kind, name, value, says string }
	var all []wanted
	for i, role := range slices.Sorted(maps.Keys(hostileRoles())) {
		if role != "\x00" { // the API server takes no such resource
			name := fmt.Sprintf("role-%d", i)
			if w.tryRole(name, role) {
				all = append(all, wanted{"AWSIAMRole", name, role, hostileRoles()[role]})
			}
		}
		name := fmt.Sprintf("account-%d", i)
		w.account(name, role)
		all = append(all, wanted{"ServiceAccount", name, role, hostileRoles()[role]})
	}
	n := 0
	for annotation, values := range map[string][]string{
		"session-duration": {"", "0", "-1h", "899", "43201", "1h1ns", "99999999999999999999", "PT1H", "1e3", "½h", strings.Repeat("9", 100_000), "36 00"},
		"region":           {"", "nowhere", "eu-central-1 x", "../eu", "EU-CENTRAL-1", "eu-\ncentral-1", strings.Repeat("a", 100_000)},
		"delivery":         {"", "Process", "files", "none\x00", strings.Repeat("none", 50_000)},
		"deletion-policy":  {"", "delete", "Orphan", "\u202eeteleD"},
		"role-policy":      {"", "{}", "not json", strings.Repeat("[", 200_000), `{"Version":"2012-10-17"}`, `{"Version":"2012-10-17","Statement":"\u0000"}`, "{\"日\":1}", strings.Repeat(" ", 200_000)},
		"managed-policies": {"", ",", "ReadOnlyAccess", strings.Repeat(",", 200_000), strings.Repeat("arn:aws:iam::aws:policy/X,", 9000) + "x"},
	} {
		for _, value := range values {
			n++
			name := fmt.Sprintf("beside-%d", n)
			w.account(name, "app", annotation, value)
			all = append(all, wanted{"ServiceAccount", name, annotation + "=" + value, annotation})
			if annotation == "role-policy" || annotation == "managed-policies" {
				w.accountWith("alone-"+name, map[string]string{"iam.amazonaws.com/" + annotation: value})
				all = append(all, wanted{"ServiceAccount", "alone-" + name, annotation + "=" + value, annotation})
			}
		}
	}
	w.account("good", "app")
	w.secret("good.aws-iam", nil)
	deadline := time.Now().Add(time.Minute)
	for _, want := range all {
		message := w.warning(want.kind, want.name, deadline)
		assert.Contains(t, message, want.says, want.value[:min(len(want.value), 80)])
		assert.LessOrEqual(t, len(message), 1024)
		for _, r := range message {
			assert.Falsef(t, r < ' ' || r == '\u202e', "%q has a control character", message)
		}
	}
	assert.True(t, c.Running())
	list, err := w.Client().CoreV1().Secrets(w.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, list.Items, 1, "nobody but the good one has a Secret")
}

// accountWith creates a ServiceAccount with annotations.
func (w *world) accountWith(name string, annotations map[string]string) {
	w.t.Helper()
	_, err := w.Client().CoreV1().ServiceAccounts(w.namespace).Create(w.t.Context(), &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
	}, metav1.CreateOptions{})
	require.NoError(w.t, err)
}

// tryRole creates an AWSIAMRole, and says whether the API server took it.
func (w *world) tryRole(name, reference string) bool {
	w.t.Helper()
	err := w.objects().ApplyYAML(w.t.Context(), "awsiamrole/"+name, fmt.Sprintf(
		`{"apiVersion":"zalando.org/v1","kind":"AWSIAMRole","metadata":{"name":%q,"namespace":%q},"spec":{"roleReference":%s}}`,
		name, w.namespace, jsonText(w.t, reference)))
	return err == nil
}

// warning waits for a warning on an object, until a deadline, and returns its message.
func (w *world) warning(kind, name string, deadline time.Time) string {
	w.t.Helper()
	for {
		list, err := w.Client().CoreV1().Events(w.namespace).List(w.t.Context(), metav1.ListOptions{
			FieldSelector: "involvedObject.kind=" + kind + ",involvedObject.name=" + name + ",type=Warning",
		})
		require.NoError(w.t, err)
		if len(list.Items) > 0 {
			return list.Items[0].Message
		}
		if !assert.True(w.t, time.Now().Before(deadline), "no warning on %s %s", kind, name) {
			return ""
		}
		time.Sleep(100 * time.Millisecond)
	}
}
