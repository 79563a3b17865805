package sdks

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/cluster"
)

const head = `# AWS SDKs

Whether a long-running program finds new credentials when its first ones expire, for each delivery. ` + "`TestSDKsFindTheirCredentialsAndTheNextOnes`" + ` runs each
SDK with the environment and the files that a container gets, lets a session expire, and calls again. ` + "`make sdks ARGS=-update`" + ` writes this
page. The first call succeeds with all of them. With ` + "`endpoint`" + ` the programs have no ` + "`PATH`" + `, so they cannot use a shell or another program.

| SDK | version | ` + "`process` | `endpoint` | `file`" + ` |
| --- | --- | --- | --- | --- |
`

// tail is about what is not run here, as AWS documents it or its source shows it.
const tail = `
The following are not run here. They are taken from the documentation of AWS and the sources of the SDKs:

| SDK | ` + "`process` | `endpoint` | `file`" + ` | note |
| --- | --- | --- | --- | --- |
| Java v2 | needs ` + "`sh`" + ` and ` + "`cat`" + ` | yes | until the first session ends, unless the program asks for a reloading profile | |
| Java v1 (end of life) | needs ` + "`sh` and `cat`" + ` | yes | yes, within ten minutes | |
| .NET | needs ` + "`sh` and `cat`" + ` | yes | until the first session ends | |
| Ruby | needs ` + "`cat`" + ` | yes | until the first session ends | |
| PHP | needs ` + "`sh` and `cat`" + ` | yes | yes, from one request of php-fpm to the next | |
| Rust | needs ` + "`sh` and `cat`" + ` | yes | until the first session ends | |
| C++ | needs ` + "`sh` and `cat`" + ` | yes | yes, within five minutes | |
| JavaScript v2 (end of life) | needs ` + "`sh` and `cat`" + ` | yes | until the first session ends | it reads ` + "`AWS_CONFIG_FILE` only with `AWS_SDK_LOAD_CONFIG`" + `, which is set |

All of them prefer keys in the environment to what is given here, and most of them a web identity token: a container that sets those
continues to use them. Programs that run longer than a session should not use ` + "`file`" + `.
`

var versions = regexp.MustCompile(`(?m)^(\| [^|]+ \|) \S+ \|`)

// document writes the page, or holds it against what was seen. Versions are those of the machine.
func document(t *testing.T, rows map[string]string) {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "docs", "sdks.md")
	var page strings.Builder
	page.WriteString(head)
	for _, k := range kinds {
		page.WriteString(rows[k.name])
	}
	page.WriteString(tail)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(page.String()), 0o600))
		return
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, versions.ReplaceAllString(string(text), "$1 |"), versions.ReplaceAllString(page.String(), "$1 |"))
}
