package awserr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secretText must not appear in any message.
const secretText = "hunter2"

// failed is an operation without a response.
func failed(err error) error {
	return &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: err}
}

// sent is the error of a request to sts.nowhere.amazonaws.com.
func sent(err error) error {
	return failed(&smithyhttp.RequestSendError{Err: &url.Error{
		Op: "Post", URL: "https://" + secretText + ":" + secretText + "@sts.nowhere.amazonaws.com/?token=" + secretText, Err: err,
	}})
}

func reset(port int) error {
	return &net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// answered is a response of a host that is not AWS, as the SDK reports it.
func answered(status int, err error) error {
	return failed(&smithyhttp.ResponseError{Err: err, Response: &smithyhttp.Response{Response: &http.Response{
		StatusCode: status, Request: &http.Request{URL: &url.URL{Host: "sts.nowhere.amazonaws.com", User: url.User(secretText), Path: secretText}},
	}}})
}

func TestNoResponse(t *testing.T) {
	const host = " (sts.nowhere.amazonaws.com)"
	for name, tc := range map[string]struct {
		err          error
		says, remedy string
	}{
		"a reset":               {failed(reset(1)), "the connection was reset", checkNetwork},
		"a reset by a host":     {sent(reset(1)), "the connection was reset" + host, checkNetwork},
		"a refused connection":  {sent(os.NewSyscallError("connect", syscall.ECONNREFUSED)), "the connection was refused" + host, checkNetwork},
		"no route":              {sent(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), "the host is unreachable" + host, checkNetwork},
		"a closed connection":   {sent(io.ErrUnexpectedEOF), "the connection was closed" + host, checkNetwork},
		"a name without a host": {sent(&net.DNSError{Name: secretText, IsNotFound: true}), "the name of its host" + host + " is not known to DNS", checkName},
		"DNS that is away":      {sent(&net.DNSError{Name: secretText}), "it cannot be reached" + host, checkNetwork},
		"a time-out":            {sent(fmt.Errorf(secretText+": %w", context.DeadlineExceeded)), "it took too long" + host, checkNetwork},
		"the end":               {failed(fmt.Errorf(secretText+": %w", context.Canceled)), "the request was cancelled", ""},
		"an unknown authority":  {sent(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "its TLS certificate is signed by an unknown authority" + host, checkTrust},
		"another host's":        {sent(x509.HostnameError{Host: secretText, Certificate: &x509.Certificate{}}), "its TLS certificate is for another host" + host, checkTrust},
		"an old certificate":    {sent(x509.CertificateInvalidError{Reason: x509.Expired, Detail: secretText}), "its TLS certificate has expired or is not yet valid" + host, checkTrust},
		"a bad certificate":     {sent(&tls.CertificateVerificationError{Err: errors.New(secretText)}), "its TLS certificate is not trusted" + host, checkTrust},
		"no TLS":                {sent(tls.RecordHeaderError{Msg: secretText}), "it does not speak TLS" + host, checkTrust},
		"no endpoint": {failed(fmt.Errorf("resolve: %w", errors.New("endpoint rule error, Invalid Configuration: FIPS and custom endpoint are not supported"))),
			"the SDK has no endpoint for this configuration (Invalid Configuration: FIPS and custom endpoint are not supported)", checkRules},
		"what cannot be read": {failed(&smithy.DeserializationError{Err: errors.New(secretText)}),
			"the answer did not come from AWS (deserialization failed)", checkProxy},
		"a reset without a response": {failed(&smithyhttp.ResponseError{Err: reset(1), Response: &smithyhttp.Response{Response: &http.Response{}}}), "the connection was reset", checkNetwork},
		"a page in its place": {answered(200, &smithy.DeserializationError{Err: errors.New(secretText)}),
			"the answer did not come from AWS: HTTP status 200 from sts.nowhere.amazonaws.com (deserialization failed)", checkProxy},
		"an error page": {answered(503, &smithy.GenericAPIError{Code: "UnknownError", Message: "UnknownError"}),
			"the answer did not come from AWS: HTTP status 503 from sts.nowhere.amazonaws.com", checkProxy},
		"a page that is no XML": {answered(403, errors.New("XML syntax error: "+secretText)),
			"the answer did not come from AWS: HTTP status 403 from sts.nowhere.amazonaws.com", checkProxy},
	} {
		t.Run(name, func(t *testing.T) {
			require.EqualError(t, Describe(tc.err), withRemedy("STS did not answer AssumeRole: "+tc.says, tc.remedy))
		})
	}
	assert.Equal(t, Describe(failed(reset(1))).Error(), Describe(failed(reset(2))).Error(), "the same cause has the same words")
	require.ErrorIs(t, Describe(failed(reset(1))), syscall.ECONNRESET)
}

func TestUnrecognizedErrorsAreNotQuoted(t *testing.T) {
	err := Describe(failed(errors.New(secretText)))
	assert.Contains(t, err.Error(), "STS did not answer AssumeRole: the controller's AWS configuration or the network prevented the request (*errors.errorString); check ")
	assert.NotContains(t, err.Error(), secretText)
}

func TestLongHostIsTruncated(t *testing.T) {
	err := failed(&url.Error{Op: "Post", URL: "https://" + strings.Repeat("a", 5000), Err: io.EOF})
	assert.LessOrEqual(t, len(Describe(err).Error()), 800)
	assert.Contains(t, Describe(err).Error(), checkNetwork)
}

func TestPlainErrorsAreKept(t *testing.T) {
	require.EqualError(t, Describe(failed(fmt.Errorf(secretText+": %w", &PlainError{Message: "our own words", Err: errors.New(secretText)}))), "our own words")
	require.EqualError(t, Describe(Plain(api("AccessDenied", secretText), "%s words", "our own")), "our own words")
}

func TestCredentialsError(t *testing.T) {
	const head = "the controller itself has no AWS credentials: nowhere"
	for name, tc := range map[string]struct {
		cause error
		want  string
	}{
		"nothing that may be told": {errors.New("parse failed of process output: " + secretText), head + "; provide some"},
		"AWS's answer":             {api("AccessDenied", "Not authorized."), head + ": AccessDenied: Not authorized.; provide some"},
		"our own words":            {&PlainError{Message: "the file is empty"}, head + ": the file is empty; provide some"},
		"a time-out":               {context.DeadlineExceeded, head + ": it took too long; provide some"},
		"a page":                   {answered(404, errors.New(secretText)), head + ": the answer did not come from AWS: HTTP status 404 from sts.nowhere.amazonaws.com; provide some"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Describe(failed(&CredentialsError{Source: "nowhere", Remedy: "provide some", Err: tc.cause}))
			assert.Equal(t, strings.ReplaceAll(tc.want, ".;", ";"), err.Error())
			require.ErrorIs(t, err, tc.cause)
		})
	}
}
