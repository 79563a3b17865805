package sdks

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"kube-aws-iam-controller/internal/identity"

	"kube-aws-iam-controller/test/cluster"
)

const head = `# AWS SDKs

Whether a long-running program finds new credentials when its first ones expire, for each delivery. ` + "`make sdks-full ARGS=-update`" + ` runs each
SDK with the environment and the files that a container gets, lets a session expire, replaces the Secret, calls again each time, and writes
this page. Except where the table says "no", the first call succeeds. Every SDK that picks up renewed credentials also picks up those of a replaced
Secret.

With ` + "`endpoint`" + ` the programs have no ` + "`PATH`" + `, so they cannot use a shell or another program. Each is also started together with the sidecar,
before that listens: its first call succeeds all the same. The last column says whether the SDK asks the endpoint through a proxy that
` + "`HTTP_PROXY`" + ` names, which cannot reach the loopback interface of the pod.

| SDK | version | ` + "`process` | `endpoint` | `file` | `HTTP_PROXY`" + ` |
| --- | --- | --- | --- | --- | --- |
`

// tail is about what is not run here, as AWS documents it or its source shows it.
const tail = `
The following are not run here. They are taken from the documentation of AWS and the sources of the SDKs:

| SDK | ` + "`process` | `endpoint` | `file`" + ` |
| --- | --- | --- | --- |
| Ruby v3, 3.188.0 and later | needs ` + "`cat`" + ` | yes | until the first session ends |
| .NET | needs ` + "`sh` and `cat`" + ` | yes | until the first session ends |
| PHP | needs ` + "`sh` and `cat`" + ` | yes | yes, from one request of php-fpm to the next |
| C++ | needs ` + "`sh` and `cat`" + ` | yes | yes, within five minutes |

With ` + "`process`" + ` the image needs ` + "`cat`" + `, and for all but the AWS CLI, Python and Ruby ` + "`sh`" + `. All of them prefer keys in the environment to what
is given here, and most of them a web identity token: a container that sets those continues to use them. Programs that run longer than a
session should not use ` + "`file`" + `.

A "no" is an SDK that does not know the variables of a delivery. The one for Ruby in Debian 12 is older than those of ` + "`endpoint`" + `. Java v1 looks for a
profile in the file that ` + "`AWS_CREDENTIAL_PROFILES_FILE`" + ` names, and JavaScript v2 in that of ` + "`AWS_SHARED_CREDENTIALS_FILE`" + ` only with
` + "`AWS_SDK_LOAD_CONFIG`" + `. What is said of ` + "`file`" + ` for Java v1 is from its source: it reads the file again after a time that is longer than a session is
here.
`

var versions = regexp.MustCompile(`(?m)^(\| [^|]+ \|) \S+ \|`)

// document writes the page, or holds it against what was seen. Versions are those of the machine. A row of an SDK that was not
// asked for stays; one that was, and cannot be run here, says so once the page is written here.
func document(t *testing.T, trials []*trial) {
	t.Helper()
	root, err := cluster.Root()
	require.NoError(t, err)
	path := filepath.Join(root, "docs", "sdks.md")
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	rows := map[string]string{}
	for _, tried := range trials {
		rows[tried.kind.name] = tried.row()
	}
	var page strings.Builder
	page.WriteString(head)
	for _, k := range kinds {
		row := rows[k.name]
		switch {
		case row != "":
		case *update && (*full || !k.slow):
			row = fmt.Sprintf("| %s | not run | | | | |\n", k.name)
		default:
			row = rowOf(string(before), k.name)
		}
		page.WriteString(row)
	}
	page.WriteString(tail)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(page.String()), 0o600))
		return
	}
	assert.Equal(t, versions.ReplaceAllString(string(before), "$1 |"), versions.ReplaceAllString(page.String(), "$1 |"))
}

// row is that of an SDK on the page.
func (tried *trial) row() string {
	file := tried.rotated[identity.DeliverFile]
	if tried.kind.file != "" {
		file = tried.kind.file
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s|\n", tried.kind.name, tried.version,
		tried.rotated[identity.DeliverProcess], tried.rotated[identity.DeliverEndpoint], file, strings.TrimLeft(tried.proxied+" ", " "))
}

// rowOf returns the row of an SDK on a page, "" for none.
func rowOf(page, name string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| "+name+" |") {
			return line
		}
	}
	return ""
}
