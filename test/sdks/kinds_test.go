package sdks

import (
	"testing"

	"kube-aws-iam-controller/internal/identity"
)

// A kind is one SDK, and how to run a program that uses it.
type kind struct {
	name string
	// debian are the packages that have what it needs.
	debian []string
	// needs is a command that succeeds where the kind can be run, nil for one
	// that always can.
	needs []string
	// prepare returns what to run, and the SDK's version.
	prepare func(t *testing.T) (command []string, version string)
	// perCall is run anew for each call.
	perCall bool
	// slow is one that takes minutes to build. It is run with -full only.
	slow bool
	// cannot are the deliveries whose variables it does not know.
	cannot []identity.Delivery
	// file is what its documentation says of a file that is replaced, where that takes
	// longer than a session here, "" for what is seen.
	file string
}

// Debian's own, whatever else is called so in PATH: what is asked for is what
// is run.
const (
	cli    = "/usr/bin/aws"
	python = "/usr/bin/python3"
	ruby   = "/usr/bin/ruby"
)

// cliArguments are those with which the AWS CLI makes its call; the endpoint follows.
var cliArguments = []string{"sts", "get-caller-identity", "--output=text", "--query=Arn", "--endpoint-url"}

var kinds = []kind{
	{name: "AWS CLI v2, Debian's", debian: []string{"awscli"}, needs: []string{cli, "--version"}, perCall: true, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return append([]string{cli}, cliArguments...), match(t, `aws-cli/(\S+)`, output(t, cli, "--version"))
	}},
	{name: "AWS CLI v1", debian: pythonPackages, needs: needsPython, perCall: true, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return append([]string{fromPyPI(t, "aws")}, cliArguments...), requirement(t, "awscli")
	}},
	{name: "boto3 (Python), Debian's", debian: []string{"python3-boto3"}, needs: []string{python, "-c", "import boto3"}, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return []string{python, source(t, "python", "call.py")}, trimmed(output(t, python, "-c", "import boto3; print(boto3.__version__)"))
	}},
	{name: "boto3 (Python)", debian: pythonPackages, needs: needsPython, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return []string{fromPyPI(t, "python"), source(t, "python", "call.py")}, requirement(t, "boto3")
	}},
	{name: "AWS SDK for Java v2", debian: javaPackages, needs: needsJava, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return fromMaven(t, "javav2")
	}},
	{name: "AWS SDK for Java v1 (end of life)", debian: javaPackages, needs: needsJava, cannot: []identity.Delivery{identity.DeliverProcess}, file: "yes, within ten minutes", prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return fromMaven(t, "javav1")
	}},
	{name: "AWS SDK for JavaScript v3", needs: needsNode, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return fromNPM(t, "js", "@aws-sdk/client-sts")
	}},
	{name: "AWS SDK for JavaScript v2 (end of life)", needs: needsNode, cannot: []identity.Delivery{identity.DeliverFile}, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return fromNPM(t, "jsv2", "aws-sdk")
	}},
	{name: "AWS SDK for Go v2", prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return compile(t, "gov2"), moduleVersion(t, "github.com/aws/aws-sdk-go-v2/config")
	}},
	{name: "AWS SDK for Go v1 (end of life)", prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return compile(t, "gov1"), moduleVersion(t, "github.com/aws/aws-sdk-go")
	}},
	{name: "AWS SDK for Ruby v3, Debian's", debian: []string{"ruby-aws-sdk-core"}, needs: []string{ruby, "-e", "require 'aws-sdk-core'"}, cannot: []identity.Delivery{identity.DeliverEndpoint}, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return []string{ruby, source(t, "ruby", "call.rb")}, trimmed(output(t, ruby, "-e", "require 'aws-sdk-core'; puts Aws::CORE_GEM_VERSION"))
	}},
	{name: "AWS SDK for Rust", needs: []string{"cargo", "--version"}, slow: true, prepare: func(t *testing.T) ([]string, string) {
		t.Helper()
		return fromCrates(t)
	}},
}
