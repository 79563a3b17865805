package explain

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/cli/finding"
)

func TestParseReference(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"a pod":                     {[]string{"pod/app-1"}, "pod/app-1"},
		"as two words":              {[]string{"po", "app-1"}, "pod/app-1"},
		"a ServiceAccount":          {[]string{"sa/app"}, "serviceaccount/app"},
		"in capitals":               {[]string{"ServiceAccount/app"}, "serviceaccount/app"},
		"an AWSIAMRole":             {[]string{"awsiamroles.zalando.org/app"}, "awsiamrole/app"},
		"a kind that has no chain":  {[]string{"deployment/app"}, ""},
		"a name alone":              {[]string{"app"}, ""},
		"too many parts":            {[]string{"pod/a", "b"}, ""},
		"an empty name":             {[]string{"pod/"}, ""},
		"a name that cannot be one": {[]string{"pod/../secrets"}, ""},
		"capitals in the name":      {[]string{"pod/App"}, ""},
		"as kubectl api-resources":  {[]string{"awsiamroles.v1.zalando.org/app"}, "awsiamrole/app"},
		"nothing":                   {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseReference(tt.args)
			if tt.want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.String())
		})
	}
}

func TestWhatCannotBeExplainedIsToldWhatCan(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"a Deployment":         {[]string{"deploy/app"}, `"deploy/app" creates pods, and has no credentials itself: explain one of its pods, or their ServiceAccount`},
		"with its group":       {[]string{"deployment.apps", "app"}, `"deployment.apps app" creates pods`},
		"two objects":          {[]string{"pod/a", "pod/b"}, `"pod/a pod/b": explain one object at a time`},
		"two names of a kind":  {[]string{"pod", "a", "b"}, `"pod a b": explain one object at a time`},
		"a kind without chain": {[]string{"secret/app"}, "give pod/NAME, serviceaccount/NAME (sa/NAME) or awsiamrole/NAME"},
		"nothing":              {nil, "name what to explain: pod/NAME, serviceaccount/NAME (sa/NAME) or awsiamrole/NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseReference(tt.args)
			require.ErrorContains(t, err, tt.says)
		})
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("pod/app")
	f.Fuzz(func(t *testing.T, arg string) {
		got, err := parseReference([]string{arg})
		if err == nil && (got.name == "" || got.kind == "") {
			t.Fatalf("%q: %+v", arg, got)
		}
	})
}

func TestTheTextEndsWithTheConclusion(t *testing.T) {
	fine := finding.Finding{Check: "controller", State: finding.OK, Message: "is ready"}
	for name, tt := range map[string]struct {
		findings []finding.Finding
		want     string
	}{
		"sound": {[]finding.Finding{fine}, "ok  controller  is ready\n\npod/app in demo: no problem found\n"},
		"broken": {[]finding.Finding{fine, {Check: "secret", State: finding.Broken, Message: "is missing", Remedy: "make it"}, {Check: "pod", State: finding.Broken, Message: "waits"}},
			"ok      controller  is ready\nbroken  secret      is missing\nbroken  pod         waits\n\n" +
				"pod/app in demo: the first broken link is secret: is missing\n\nTo fix it: make it\n"},
		"hostile text": {[]finding.Finding{{Check: "events", State: finding.OK, Message: "a\x1b[2J\nb"}},
			"ok  events  a^[[2J b\n\npod/app in demo: no problem found\n"},
		"unknown": {[]finding.Finding{fine, {Check: "secret", State: finding.Unknown, Message: "you may not", Remedy: "ask"}},
			"ok       controller  is ready\nunknown  secret      you may not\n                     -> ask\n\npod/app in demo: no problem found in what you are allowed to see\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, newExplanation("demo", reference{pod, "app"}, tt.findings).print(&out))
			assert.Equal(t, tt.want, out.String())
		})
	}
}
