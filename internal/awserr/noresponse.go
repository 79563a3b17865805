package awserr

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Remedies if AWS does not respond.
const (
	checkName    = "check AWS_REGION and AWS_ENDPOINT_URL, and whether the cluster's DNS resolves it"
	checkNetwork = "check the way from the controller to it: NetworkPolicy, firewall, NAT or VPC endpoint, HTTPS_PROXY; " + retried
	checkProxy   = "a proxy, firewall or load balancer answers in its place: check HTTPS_PROXY, NO_PROXY, AWS_ENDPOINT_URL and the network; " + retried
	checkRules   = "set either AWS_ENDPOINT_URL or AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT, and these only in a partition that has such endpoints"
	checkTrust   = "where a proxy inspects TLS, name its certificate authority in AWS_CA_BUNDLE; otherwise check AWS_ENDPOINT_URL and the machine's clock"
)

// noResponse returns why there is no response from AWS, in fixed words, and the
// remedy.
func noResponse(err error) (what, remedy string) {
	what, remedy, known := classify(err)
	if known {
		return what, remedy
	}
	return fmt.Sprintf("the controller's AWS configuration or the network prevented the request (%T)", innermost(err)),
		"check the controller's AWS_* environment variables and shared AWS configuration"
}

// classify is noResponse for failures that are recognized.
func classify(err error) (what, remedy string, known bool) {
	if what, is := notFromAWS(err); is {
		return what, checkProxy, true
	}
	if what, is := noEndpoint(err); is {
		return what, checkRules, true
	}
	host := hostOf(err)
	if dns, is := errors.AsType[*net.DNSError](err); is && dns.IsNotFound {
		return "the name of its host" + host + " is not known to DNS", checkName, true
	}
	if what, is := tlsFailure(err); is {
		return what + host, checkTrust, true
	}
	if what, is := connectionFailure(err); is {
		return what + host, checkNetwork, true
	}
	switch Code(err) {
	case "Timeout":
		return "it took too long" + host, checkNetwork, true
	case "Canceled":
		return "the request was cancelled", "", true
	case "ConnectionError":
		return "it cannot be reached" + host, checkNetwork, true
	default:
		return "", "", false
	}
}

// notFromAWS recognizes a response that is not from AWS: one without an error code,
// or that cannot be decoded. Its body is not shown.
func notFromAWS(err error) (what string, is bool) {
	what = "the answer did not come from AWS"
	response, answered := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	answered = answered && response.HTTPStatusCode() != 0 // 0 if the request was not sent
	if answered {
		what += fmt.Sprintf(": HTTP status %d", response.HTTPStatusCode()) + fromHost(err)
	}
	_, unreadable := errors.AsType[*smithy.DeserializationError](err)
	if unreadable {
		what += " (deserialization failed)"
	}
	return what, answered || unreadable
}

// maxRule is the maximum length of what the SDK says about endpoints.
const maxRule = 200

// noEndpoint recognizes that the SDK finds no endpoint. What it says of that is constant.
func noEndpoint(err error) (what string, is bool) {
	if err == nil {
		return "", false
	}
	rule, is := strings.CutPrefix(innermost(err).Error(), "endpoint rule error, ")
	return "the SDK has no endpoint for this configuration (" + oneLine(rule, maxRule) + ")", is
}

// fromHost returns the host that responded, "" if it is unknown.
func fromHost(err error) string {
	response, is := errors.AsType[*smithyhttp.ResponseError](err)
	if !is || response.Response == nil || response.Response.Response == nil {
		return ""
	}
	request := response.Response.Request
	if request == nil || request.URL == nil {
		return ""
	}
	return " from " + cutHost(request.URL.Host)
}

// hostOf returns the host to which a request was sent, in parentheses, "" if it is
// unknown.
func hostOf(err error) string {
	sent, is := errors.AsType[*url.Error](err)
	if !is {
		return ""
	}
	target, err := url.Parse(sent.URL)
	if err != nil || target.Host == "" {
		return ""
	}
	return " (" + cutHost(target.Host) + ")"
}

// maxHost is the maximum length of a host name with a port.
const maxHost = 260

func cutHost(host string) string { return oneLine(host, maxHost) }

// tlsFailure recognizes that TLS could not be established.
func tlsFailure(err error) (string, bool) {
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
		return "its TLS certificate has expired or is not yet valid", true
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return "its TLS certificate is signed by an unknown authority", true
	}
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return "its TLS certificate is for another host", true
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "its TLS certificate is not trusted", true
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is || errors.Is(err, http.ErrSchemeMismatch) {
		return "it does not speak TLS", true
	}
	return "", false
}

// connectionFailure recognizes failures of a connection.
func connectionFailure(err error) (string, bool) {
	for _, known := range []struct {
		cause error
		words string
	}{
		{syscall.ECONNREFUSED, "the connection was refused"},
		{syscall.ECONNRESET, "the connection was reset"},
		{syscall.EHOSTUNREACH, "the host is unreachable"},
		{syscall.ENETUNREACH, "the network is unreachable"},
		{io.EOF, "the connection was closed"},
		{io.ErrUnexpectedEOF, "the connection was closed"},
	} {
		if errors.Is(err, known.cause) {
			return known.words, true
		}
	}
	return "", false
}

// innermost returns the root cause of err.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
