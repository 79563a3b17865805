package exec

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheEndpointIsAskedWithoutAProxy(t *testing.T) {
	for name, tt := range map[string]struct {
		own          []string
		upper, lower string
	}{
		"no proxy at all":             {nil, "127.0.0.1", "127.0.0.1"},
		"a proxy for everything":      {[]string{"HTTP_PROXY=http://proxy:3128"}, "127.0.0.1", "127.0.0.1"},
		"exceptions of both":          {[]string{"NO_PROXY=a.example,.b.example", "no_proxy=c.example"}, "a.example,.b.example,127.0.0.1", "c.example,127.0.0.1"},
		"exceptions in capitals":      {[]string{"NO_PROXY=a.example"}, "a.example,127.0.0.1", "a.example,127.0.0.1"},
		"exceptions in small letters": {[]string{"no_proxy=a.example"}, "a.example,127.0.0.1", "a.example,127.0.0.1"},
		"an empty one":                {[]string{"NO_PROXY=", "no_proxy=a.example"}, "a.example,127.0.0.1", "a.example,127.0.0.1"},
		"a comma at the end":          {[]string{"NO_PROXY=a.example, "}, "a.example,127.0.0.1", "a.example,127.0.0.1"},
		"it is there":                 {[]string{"NO_PROXY=localhost, 127.0.0.1 ,a.example"}, "localhost, 127.0.0.1 ,a.example", "localhost, 127.0.0.1 ,a.example"},
		"another address":             {[]string{"NO_PROXY=127.0.0.11"}, "127.0.0.11,127.0.0.1", "127.0.0.11,127.0.0.1"},
		"nothing through a proxy":     {[]string{"NO_PROXY=*"}, "*", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			env := variables(t, environment(tt.own, from, "", ""))
			assert.Equal(t, tt.upper, env["NO_PROXY"])
			assert.Equal(t, tt.lower, env["no_proxy"])
		})
	}
}
