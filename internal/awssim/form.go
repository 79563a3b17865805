package awssim

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"unicode/utf8"
)

// form holds the parameters of a request in the AWS Query protocol:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html.
type form struct{ url.Values }

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

// parseForm parses the parameters and ignores malformed ones, which then count as missing.
func parseForm(body []byte) form {
	values, _ := url.ParseQuery(string(body))
	return form{values}
}

func (f form) get(key string) string { return f.Get(key) }

// list returns the consecutive parameters Name.member.1, Name.member.2 and so on.
func (f form) list(name string) []string {
	var all []string
	for n := 1; f.Has(name + ".member." + strconv.Itoa(n)); n++ {
		all = append(all, f.Get(name+".member."+strconv.Itoa(n)))
	}
	return all
}

// tags returns Tags.member.N.Key and .Value.
func (f form) tags() []tag {
	var all []tag
	for n := 1; ; n++ {
		prefix := "Tags.member." + strconv.Itoa(n)
		if !f.Has(prefix + ".Key") {
			return all
		}
		all = append(all, tag{Key: f.Get(prefix + ".Key"), Value: f.Get(prefix + ".Value")})
	}
}

// rule is the constraint on a parameter, from the API models of the services.
type rule struct {
	low, high int // in characters
	pattern   *regexp.Regexp
}

func makeRule(low, high int, pattern string) rule {
	return rule{low: low, high: high, pattern: regexp.MustCompile(`^(?:` + pattern + `)$`)}
}

var (
	roleNameRule    = makeRule(1, 64, `[\w+=,.@-]+`)
	policyNameRule  = makeRule(1, 128, `[\w+=,.@-]+`)
	pathRule        = makeRule(1, 512, `(?:/)|(?:/[\x21-\x7E]+/)`)
	pathPrefixRule  = makeRule(1, 512, `/[\x21-\x7F]*`)
	documentRule    = makeRule(1, 131072, `[\t\n\r\x20-\x{FF}]+`)
	arnRule         = makeRule(20, 2048, `[\t\n\r\x20-\x7E\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`)
	descriptionRule = makeRule(0, 1000, `[\t\n\r\x20-\x7E\x{A1}-\x{FF}]*`)
	tagKeyRule      = makeRule(1, 128, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`)
	tagValueRule    = makeRule(0, 256, `[\p{L}\p{Z}\p{N}_.:/=+\-@*]*`)
	sessionNameRule = makeRule(2, 64, `[\w+=,.@-]*`)
	externalIDRule  = makeRule(2, 1224, `[\w+=,.@:\/-]*`)
	sourceIDRule    = makeRule(2, 64, `[\w+=,.@-]*`)
	markerRule      = makeRule(1, 320, `[\x20-\x{FF}]+`)
)

// check returns an error for a value that violates the rule.
func (r rule) check(name, value string) *apiError {
	n := utf8.RuneCountInString(value)
	switch {
	case n < r.low:
		return invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", name, r.low)
	case n > r.high:
		return invalid("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", name, r.high)
	case !r.pattern.MatchString(value):
		return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", value, name, r.pattern)
	}
	return nil
}

// required returns a parameter, and an error if it is missing.
func (f form) required(name string, r rule) (string, *apiError) {
	if !f.Has(name) {
		return "", invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", name)
	}
	return f.get(name), r.check(name, f.get(name))
}

// optional returns a parameter or a default.
func (f form) optional(name, otherwise string, r rule) (string, *apiError) {
	if !f.Has(name) {
		return otherwise, nil
	}
	return f.get(name), r.check(name, f.get(name))
}

// number returns a parameter within bounds, or a default.
func (f form) number(name string, otherwise, low, high int) (int, *apiError) {
	if !f.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.Atoi(f.get(name))
	if err != nil || n < low || n > high {
		return 0, invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have value between %d and %d",
			f.get(name), name, low, high)
	}
	return n, nil
}

// checkTags validates the tags of a role or a session.
func checkTags(tags []tag) *apiError {
	if len(tags) > maxTags {
		return invalid("1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to %d", maxTags)
	}
	seen := map[string]bool{}
	for i, t := range tags {
		if err := tagKeyRule.check(fmt.Sprintf("tags.%d.member.key", i+1), t.Key); err != nil {
			return err
		}
		if err := tagValueRule.check(fmt.Sprintf("tags.%d.member.value", i+1), t.Value); err != nil {
			return err
		}
		if key := foldKey(t.Key); seen[key] {
			return newError(http.StatusBadRequest, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		} else if seen[key] = true; len(key) > 3 && key[:4] == "aws:" {
			return newError(http.StatusBadRequest, "InvalidInput", "Tag keys may not start with the reserved prefix aws:")
		}
	}
	return nil
}

func first(errs ...*apiError) *apiError {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
