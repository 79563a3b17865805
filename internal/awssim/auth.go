package awssim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// authorization matches the Authorization header of Signature Version 4,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html.
var authorization = regexp.MustCompile(
	`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z-]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// maxSkew is the maximum difference between a signature's time and the clock.
const maxSkew = 15 * time.Minute

// signature is a parsed Authorization header.
type signature struct {
	keyID, date, region, service string
	headers                      []string
	value                        string
}

func parseSignature(header string) (signature, bool) {
	m := authorization.FindStringSubmatch(header)
	if m == nil {
		return signature{}, false
	}
	return signature{keyID: m[1], date: m[2], region: m[3], service: m[4], headers: strings.Split(m[5], ";"), value: m[6]}, true
}

// authenticate returns the principal of the access key that signed the request.
func (s *Sim) authenticate(r *http.Request, body []byte, q *request) (*principal, *apiError) {
	forbidden := func(code, message string) (*principal, *apiError) {
		return nil, newError(http.StatusForbidden, code, message)
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return forbidden("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	sig, ok := parseSignature(header)
	if !ok {
		return nil, newError(http.StatusBadRequest, "IncompleteSignature", "the Authorization header is malformed")
	}
	key := s.keys[sig.keyID]
	switch {
	case key == nil, key.token != r.Header.Get("X-Amz-Security-Token"):
		return forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
	case sig.service != q.service:
		return forbidden("SignatureDoesNotMatch", "Credential should be scoped to correct service: '"+q.service+"'.")
	case !key.expires.IsZero() && !q.now.Before(key.expires):
		return forbidden("ExpiredToken", "The security token included in the request is expired")
	}
	signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || signed.Format("20060102") != sig.date {
		return forbidden("SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	}
	if message := skewed(signed, q.now); message != "" {
		return forbidden("SignatureDoesNotMatch", message)
	}
	if !hmac.Equal([]byte(sig.value), []byte(sig.compute(r, body, key.secret))) {
		return forbidden("SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	s.recordUse(key.principal, sig.region, q.now)
	return key.principal, nil
}

// skewed returns AWS's message for a signature outside maxSkew, "" within.
func skewed(signed, now time.Time) string {
	const form = "20060102T150405Z"
	limit := func(t time.Time) string { return t.UTC().Format(form) }
	switch skew := now.Sub(signed); {
	case skew > maxSkew:
		return "Signature expired: " + limit(signed) + " is now earlier than " + limit(now.Add(-maxSkew)) + " (" + limit(now) + " - 15 min.)"
	case skew < -maxSkew:
		return "Signature not yet current: " + limit(signed) + " is still later than " + limit(now.Add(maxSkew)) + " (" + limit(now) + " + 15 min.)"
	default:
		return ""
	}
}

// compute returns the signature of the request with secret.
func (sig signature) compute(r *http.Request, body []byte, secret string) string {
	scope := sig.date + "/" + sig.region + "/" + sig.service + "/aws4_request"
	toSign := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hexSHA256([]byte(sig.canonical(r, body)))
	key := []byte("AWS4" + secret)
	for _, part := range []string{sig.date, sig.region, sig.service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// canonical returns the canonical request of Signature Version 4.
func (sig signature) canonical(r *http.Request, body []byte) string {
	var headers strings.Builder
	for _, name := range sig.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = r.Header.Get("Content-Length")
			if value == "" {
				value = itoa(len(body))
			}
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	path := (&url.URL{Path: r.URL.Path}).EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.Join([]string{
		r.Method, path, canonicalQuery(r.URL.Query()), headers.String(), strings.Join(sig.headers, ";"), hexSHA256(body),
	}, "\n")
}

func canonicalQuery(query url.Values) string {
	var pairs []string
	for key, values := range query {
		for _, value := range values {
			pairs = append(pairs, url.QueryEscape(key)+"="+url.QueryEscape(value))
		}
	}
	slices.Sort(pairs)
	return strings.ReplaceAll(strings.Join(pairs, "&"), "+", "%20")
}

func hexSHA256(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
