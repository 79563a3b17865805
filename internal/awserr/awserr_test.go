package awserr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func api(code, message string) error {
	return &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole",
		Err: fmt.Errorf("https response error StatusCode: 403, RequestID: 4711, %w", &smithy.GenericAPIError{Code: code, Message: message})}
}

func TestCode(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"none":                       {nil, "OK"},
		"AWS's own":                  {api("AccessDenied", "no"), "AccessDenied"},
		"with dots":                  {api("Client.RequestLimitExceeded", "no"), "Client.RequestLimitExceeded"},
		"a code that is no code":     {api("<html>\n", "no"), "Other"},
		"a code without end":         {api(strings.Repeat("a", 65), "no"), "Other"},
		"a deadline":                 {fmt.Errorf("x: %w", context.DeadlineExceeded), "Timeout"},
		"the end of the process":     {fmt.Errorf("x: %w", context.Canceled), "Canceled"},
		"a refused connection":       {fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), "ConnectionError"},
		"a name that does not exist": {fmt.Errorf("x: %w", &net.DNSError{IsTimeout: true}), "Timeout"},
		"anything else":              {errors.New("boom"), "Other"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, Code(tc.err)) })
	}
}

func TestDescribeKeepsNothingThatChanges(t *testing.T) {
	cause := api("AccessDenied", "User: arn is not authorized\nto perform: sts:AssumeRole")
	err := Describe(cause)
	require.EqualError(t, err, "AccessDenied: User: arn is not authorized to perform: sts:AssumeRole")
	require.ErrorIs(t, err, cause)
	require.NoError(t, Describe(nil))
	assert.EqualError(t, Describe(errors.New("plain")), "plain")
}

func TestDescribeFitsAnEvent(t *testing.T) {
	err := Describe(errors.New(strings.Repeat("ä\xff", 1000)))
	assert.LessOrEqual(t, len(err.Error()), 710)
	assert.True(t, utf8.ValidString(err.Error()))
}

func TestWhatAWSDidNotAnswerIsToldByItsKindAlone(t *testing.T) {
	operation := func(err error) error {
		return &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: err}
	}
	reset := func(port int) error {
		return &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	for want, err := range map[string]error{
		"STS did not answer AssumeRole: the controller's own credentials, its configuration or the network are in the way (*errors.errorString)": operation(
			fmt.Errorf("get credentials: %w", errors.New("parse failed of process output: hunter2 {\"SecretAccessKey\":\"hunter2\""))),
		"STS did not answer AssumeRole: the connection was reset":                               operation(reset(1)),
		"STS did not answer AssumeRole: its name is not known to DNS":                           operation(&net.DNSError{Name: "hunter2", IsNotFound: true}),
		"STS did not answer AssumeRole: it cannot be reached":                                   operation(&net.DNSError{Name: "hunter2"}),
		"STS did not answer AssumeRole: it took too long":                                       operation(fmt.Errorf("hunter2: %w", context.DeadlineExceeded)),
		"STS did not answer AssumeRole: the request was given up":                               operation(fmt.Errorf("hunter2: %w", context.Canceled)),
		"STS did not answer AssumeRole: the connection was closed":                              operation(io.ErrUnexpectedEOF),
		"STS did not answer AssumeRole: the answer was not one of AWS (deserialization failed)": operation(&smithy.DeserializationError{Err: errors.New("hunter2")}),
		"our own words": operation(fmt.Errorf("hunter2: %w", &PlainError{Message: "our own words", Err: errors.New("hunter2")})),
	} {
		require.EqualError(t, Describe(err), want)
	}
	assert.Equal(t, Describe(operation(reset(1))).Error(), Describe(operation(reset(2))).Error(), "the same cause has the same words")
	require.ErrorIs(t, Describe(operation(reset(1))), syscall.ECONNRESET)
}
