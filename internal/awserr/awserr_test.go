package awserr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
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

func TestDescribeIsStable(t *testing.T) {
	cause := api("AccessDenied", "User: arn is not authorized\nto perform: sts:AssumeRole")
	err := Describe(cause)
	require.EqualError(t, err, "AccessDenied: User: arn is not authorized to perform: sts:AssumeRole")
	require.ErrorIs(t, err, cause)
	require.NoError(t, Describe(nil))
	assert.EqualError(t, Describe(errors.New("plain")), "plain")
}

func TestDescribeFitsAnEvent(t *testing.T) {
	err := Describe(errors.New(strings.Repeat("ä\xff", 1000)))
	assert.LessOrEqual(t, len(err.Error()), 800)
	assert.True(t, utf8.ValidString(err.Error()))
}

func TestOneLine(t *testing.T) {
	assert.Equal(t, "a b c", oneLine("a\nb\tc", 5))
	assert.Equal(t, "ab…", oneLine("abcdef", 5))
	assert.Equal(t, "a…", oneLine("aäääää", 5), "no character is split")
}

func TestAnswerReturnsTheInnermostOperation(t *testing.T) {
	inner := api("AccessDenied", "no")
	answer, operation, is := Answer(&smithy.OperationError{ServiceID: "IAM", OperationName: "CreateRole", Err: inner})
	require.True(t, is)
	assert.Equal(t, "AssumeRole", operation)
	assert.Equal(t, "no", answer.ErrorMessage())
	_, _, is = Answer(api("UnknownError", "UnknownError"))
	assert.False(t, is, "the SDK's word for none")
}

func TestCredentialsErrorIsNotDenied(t *testing.T) {
	assert.True(t, IsDenied(api("AccessDenied", "no")))
	assert.False(t, IsDenied(api("ExpiredToken", "no")))
	assert.False(t, IsDenied(&smithy.OperationError{Err: &CredentialsError{Err: api("AccessDenied", "no")}}))
}
