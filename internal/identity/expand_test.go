package identity

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation"

	"kube-aws-iam-controller/internal/api"
)

// variables are those of these tests.
func variables() Variables {
	return Variables{
		Namespace: "team-a", ServiceAccount: "app.v2", Cluster: "prod", Region: "eu-central-1",
		Base: func() (BaseRole, error) { return BaseRole{Partition: "aws-us-gov", Account: "012345678901"}, nil },
	}
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"app":                              "app",
		"$(namespace)":                     "team-a",
		"$(namespace)/$(serviceaccount)":   "team-a/app.v2",
		"$(namespace)$(namespace)":         "team-ateam-a",
		"$(cluster)-$(region)":             "prod-eu-central-1",
		"arn:$(partition):iam::$(account)": "arn:aws-us-gov:iam::012345678901",

		// As in Kubernetes: two dollar signs are one, and no variable.
		"$$(namespace)":          "$(namespace)",
		"$$(nonsense)":           "$(nonsense)",
		"$$(":                    "$(",
		"$$$(namespace)":         "$team-a",
		"$$$$(namespace)":        "$$(namespace)",
		"$$$$$(namespace)":       "$$team-a",
		"$$(a)$(namespace)$$(b)": "$(a)team-a$(b)",
		"$$($(namespace))":       "$(team-a)",

		// Nothing else means anything.
		"$namespace":                           "$namespace",
		"${namespace}":                         "${namespace}",
		"${aws:PrincipalTag/$(namespace)}":     "${aws:PrincipalTag/team-a}",
		"${aws:PrincipalTag/team}/$(cluster)":  "${aws:PrincipalTag/team}/prod",
		"$ (namespace)":                        "$ (namespace)",
		"(namespace)":                          "(namespace)",
		"price in $":                           "price in $",
		"$$":                                   "$$",
		"$$$":                                  "$$$",
		"$$x$(cluster)":                        "$$xprod",
		"$(namespace)$":                        "team-a$",
		"ÿ$(namespace)ÿ":                       "ÿteam-aÿ",
		"$(namespace)\n":                       "team-a\n",
		strings.Repeat("$(cluster)", 3) + ")(": "prodprodprod)(",
	} {
		got, err := variables().Expand(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func TestExpandNamesWhatIsWrong(t *testing.T) {
	const all = "the variables are $(namespace), $(serviceaccount), $(cluster), $(account), $(partition), $(region)"
	for text, says := range map[string]string{
		"$(namespce)-app":        `the variable "$(namespce)" is not known: write $(namespace), or $$(…) for the text $(…) itself; ` + all,
		"$(serviceAccount)":      `"$(serviceAccount)" is not known: write $(serviceaccount), or`,
		"$(service-account)":     `write $(serviceaccount), or`,
		"$(NAMESPACE)":           `write $(namespace), or`,
		"$(metadata.name)":       `"$(metadata.name)" is not known: write $$(…) for the text $(…) itself; ` + all,
		"$()":                    `"$()" is not known: write $$(…)`,
		"$( namespace )":         `"$( namespace )" is not known: `,
		"$($(namespace))":        `"$($(namespace)" is not known: `,
		"$$$(nonsense)":          `"$(nonsense)" is not known: `,
		"$(a\"\n\x1b[31m)":       `"$(a\"\n\x1b[31m)" is not known: `,
		"$(" + long + ")":        `… (303 bytes) is not known: `,
		"$(namespace":            `the variable "$(namespace" is not closed: write $(namespace), or $$( for the text $( itself`,
		"$(cluster-app":          `"$(cluster-app" is not closed: write $(cluster), or`,
		"$(namespace)-$(":        `the variable "$(" is not closed`,
		"$(namespace)-$(" + long: `… (302 bytes) is not closed`,
	} {
		_, err := variables().Expand(text)
		require.ErrorContains(t, err, says, text)
		require.NotErrorIs(t, err, ErrValueUnknown)
		assert.Less(t, len(err.Error()), 512)
		assert.NotContains(t, err.Error(), "\n")
	}
}

var long = strings.Repeat("x", 300)

func TestVariablesWithoutAValue(t *testing.T) {
	vars := variables()
	vars.Cluster, vars.Region = "", ""
	_, err := vars.Expand("$(cluster)")
	require.ErrorContains(t, err, "$(cluster) has no value, because the controller runs without --cluster-name: ")
	_, err = vars.Expand("$(region)")
	require.ErrorContains(t, err, "$(region) has no value, because the ServiceAccount has no "+api.RegionAnnotation+" and the controller runs without --default-region: ")
	require.NotErrorIs(t, err, ErrValueUnknown, "somebody has to set one")

	away := errors.New("AWS is away")
	vars.Unknown = away
	vars.Base = func() (BaseRole, error) { return BaseRole{}, away }
	for _, name := range []string{api.ClusterVariable, api.RegionVariable, api.AccountVariable, api.PartitionVariable} {
		_, err = vars.Expand("x-$(" + name + ")")
		require.ErrorIs(t, err, ErrValueUnknown)
		require.ErrorIs(t, err, away)
		require.EqualError(t, err, "the value of $("+name+") is not known: AWS is away")
	}
	got, err := vars.Expand("$(namespace).$(serviceaccount) $$(account)")
	require.NoError(t, err, "AWS is asked only for what is needed")
	assert.Equal(t, "team-a.app.v2 $(account)", got)
}

func TestUsedVariables(t *testing.T) {
	vars := variables()
	vars.Cluster = ""
	assert.Equal(t, [][2]string{{"$(namespace)", "team-a"}, {"$(account)", "012345678901"}},
		vars.Used("$(account)$(cluster)$$(region)", "app", "$(namespace)-$(namespace)-$(nonsense)", "$(not closed"))
	assert.Empty(t, vars.Used("app"))
}

func TestExpandPolicy(t *testing.T) {
	resource := func(arn string) string { return `{"Resource":` + arn + `}` }
	for text, want := range map[string]string{
		"\n" + resource(` "arn:$(partition):s3:::b/$(cluster)/$(namespace)/*" `): resource(`"arn:aws-us-gov:s3:::b/prod/team-a/*"`),
		resource(`["a:$(namespace)","$(region)"]`):                               resource(`["a:team-a","eu-central-1"]`),
		`{"aws:RequestTag/$(namespace)":"$$(account)"}`:                          `{"aws:RequestTag/team-a":"$(account)"}`,
		`"\\$(namespace)"`:                              `"\\team-a"`,
		`"\n$(namespace)\u00e9"`:                        `"\nteam-a\u00e9"`,
		`"\u0024(namespace)"`:                           `"\u0024(namespace)"`,
		`"${aws:username}/$(namespace)/${$}"`:           `"${aws:username}/team-a/${$}"`,
		`{"a":"$(serviceaccount)","b":1.50,"c":[true]}`: `{"a":"app.v2","b":1.50,"c":[true]}`,
	} {
		got, err := variables().ExpandPolicy(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	for text, says := range map[string]string{
		`{"a":$(account)}`:      `line 1, column 6: invalid character '$' looking for beginning of value; put quotation marks around it`,
		`{"a":"\$(namespace)"`:  `invalid character '$' in string escape code`,
		`{"a":"\u00$(region)`:   `invalid character '$' in \u hexadecimal character escape`,
		`$(namespace)`:          `invalid character '$' looking for beginning of value`,
		`{"a":"$(nam","e":")"}`: `the variable "$(nam\",\"e\":\")" is not known`,
		`{"a":"$(namespace"}`:   `is not closed: write $(namespace)`,
		`{"a":"` + strings.Repeat("x", 20_480) + `$(region)"}`: "at most 20480 are taken",
	} {
		_, err := variables().ExpandPolicy(text)
		require.ErrorContains(t, err, says, text)
	}
}

// tokens returns the tokens of JSON text.
func tokens(t *testing.T, text string) (all []json.Token) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err, text)
		all = append(all, token)
	}
}

// FuzzExpand shows that no value, whatever it is, leaves the JSON string that it is
// inserted into, and that text without variables is never changed.
func FuzzExpand(f *testing.F) {
	f.Add(`{"Resource":"arn:aws:s3:::b/$(namespace)/*","a":["$(serviceaccount)",1,true,null]}`, "team-a", "app", "prod", "eu-central-1")
	f.Add(`{"$(cluster)":"\\$(namespace)","\u0024(region)":"$$(x)"}`, `","a":"`, `\`, `"`, `*`)
	f.Add(`"$$$(namespace)$"`, "", "\x00", "${aws:username}", "é")
	f.Add(`$(namespace)/$(serviceaccount)`, "a/b", "a:b", "?", ",")
	f.Fuzz(func(t *testing.T, text, namespace, account, cluster, region string) {
		vars := variables()
		vars.Namespace, vars.ServiceAccount, vars.Cluster, vars.Region = namespace, account, cluster, region
		escaped, err := vars.Expand(EscapeVariables(text))
		require.NoError(t, err)
		assert.Equal(t, text, escaped)

		got, err := vars.Expand(text)
		if !HasVariables(text) {
			require.NoError(t, err)
			assert.Equal(t, text, got)
		}
		if err == nil { // only characters that mean nothing were added
			for _, special := range []string{`"`, `\`, "*", "?", "{", ":", "/", ",", " ", "\n"} {
				assert.LessOrEqual(t, strings.Count(got, special), strings.Count(text, special), special)
			}
		}

		compact, err := CompactTemplate(text)
		if err != nil {
			_, err = vars.ExpandPolicy(text)
			require.Error(t, err)
			return
		}
		policy, err := vars.ExpandPolicy(text)
		if err != nil {
			return
		}
		require.True(t, json.Valid([]byte(policy)), policy)
		before, after := tokens(t, compact), tokens(t, policy)
		require.Len(t, after, len(before), "the structure is the same")
		for i, token := range before {
			if word, is := token.(string); is && after[i] != token && !strings.Contains(compact, `\u`) { // which may hide a dollar sign
				want, err := vars.Expand(word)
				require.NoError(t, err)
				assert.Equal(t, want, after[i])
				continue
			}
			assert.IsType(t, token, after[i])
			if _, is := token.(string); !is {
				assert.Equal(t, token, after[i])
			}
		}
	})
}

// FuzzNamesAreValues shows that everything that Kubernetes takes for a name is inserted.
func FuzzNamesAreValues(f *testing.F) {
	f.Add("team-a")
	f.Add("app.v2")
	f.Add(strings.Repeat("a", 63))
	f.Add(strings.Repeat("a.", 126) + "a")
	f.Fuzz(func(t *testing.T, name string) {
		if len(validation.IsDNS1123Subdomain(name)) > 0 {
			return
		}
		vars := variables()
		vars.Namespace, vars.ServiceAccount = name, name
		got, err := vars.Expand("$(namespace)/$(serviceaccount)")
		require.NoError(t, err)
		assert.Equal(t, name+"/"+name, got)
	})
}
