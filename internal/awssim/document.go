package awssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// document is a policy document: the original text and the parsed statements.
type document struct {
	text       string
	statements []statement
	// version is the number of the default version of a managed policy.
	version int
}

// statement is one statement, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html.
// The list of an absent element is nil.
type statement struct {
	Sid          string
	Effect       string
	Principal    *principals
	NotPrincipal *principals
	Action       oneOrMany
	NotAction    oneOrMany
	Resource     oneOrMany
	NotResource  oneOrMany
	Condition    map[string]map[string]oneOrMany
	// literal disables policy variables, which version 2008-10-17 does not have.
	literal bool
}

// oneOrMany is a string, boolean or number, or a list of them.
type oneOrMany []string

// principals are "*" or lists by kind: AWS, Service, Federated, CanonicalUser.
type principals struct {
	byKind map[string]oneOrMany
	// bound are the AWS principals, resolved when the policy is saved.
	bound []boundPrincipal
}

// Messages of IAM for malformed policies.
//
//nolint:staticcheck,revive // the texts are AWS's
var (
	errInvalidJSON = errors.New("This policy contains invalid Json")
	errSyntax      = errors.New("Syntax errors in policy.")
	errSidTwice    = errors.New("Statement IDs (SID) in a single policy must be unique.")
	errSid         = errors.New("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	errNoActions   = errors.New("Policy statement must contain actions.")
	errNoVendor    = errors.New("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
)

var sidRule = regexp.MustCompile(`^[0-9A-Za-z]*$`)

// parseDocument parses a policy. As in IAM, unknown elements and duplicate keys are syntax
// errors.
func parseDocument(text string) (*document, error) {
	if !json.Valid([]byte(text)) {
		return nil, errInvalidJSON
	}
	d := &document{text: text}
	variables := false
	err := members([]byte(text), func(element string, value json.RawMessage) (err error) {
		switch element {
		case "Version":
			variables, err = checkVersion(value)
		case "Id":
			_, err = oneString(value)
		case "Statement":
			d.statements, err = parseStatements(value)
		default:
			err = errSyntax
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err = d.check(!variables); err != nil {
		return nil, err
	}
	return d, nil
}

// check checks the statements. literal says that IAM's variables are not replaced in them.
func (d *document) check(literal bool) error {
	if len(d.statements) == 0 {
		return errSyntax
	}
	sids := map[string]bool{}
	for i := range d.statements {
		sid := d.statements[i].Sid
		if sid != "" && sids[sid] {
			return errSidTwice
		}
		sids[sid] = true
		d.statements[i].literal = literal
		if err := d.statements[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// checkVersion reports whether a policy version has variables. The default version,
// 2008-10-17, has none.
func checkVersion(value json.RawMessage) (variables bool, err error) {
	version, err := oneString(value)
	if err != nil || (version != "2012-10-17" && version != "2008-10-17") {
		return false, errSyntax
	}
	return version == "2012-10-17", nil
}

// parseStatements parses one statement or a list of statements.
func parseStatements(value json.RawMessage) ([]statement, error) {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	all := make([]statement, 0, len(list))
	for _, item := range list {
		var st statement
		if err := members(item, st.set); err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// set parses one element of a statement.
func (st *statement) set(element string, value json.RawMessage) (err error) {
	switch element {
	case "Sid":
		st.Sid, err = oneString(value)
	case "Effect":
		st.Effect, err = oneString(value)
	case "Principal":
		st.Principal, err = parsePrincipals(value)
	case "NotPrincipal":
		st.NotPrincipal, err = parsePrincipals(value)
	case "Action":
		st.Action, err = manyStrings(value)
	case "NotAction":
		st.NotAction, err = manyStrings(value)
	case "Resource":
		st.Resource, err = manyStrings(value)
	case "NotResource":
		st.NotResource, err = manyStrings(value)
	case "Condition":
		st.Condition, err = parseCondition(value)
	default:
		err = errSyntax
	}
	return err
}

// check validates the rules that apply to all types of policies.
func (st *statement) check() error {
	switch {
	case st.Effect != "Allow" && st.Effect != "Deny":
		return errSyntax
	case st.Action != nil && st.NotAction != nil, st.Resource != nil && st.NotResource != nil:
		return errSyntax
	case !sidRule.MatchString(st.Sid):
		return errSid
	case len(st.Action)+len(st.NotAction) == 0:
		return errNoActions
	}
	for _, action := range append(append(oneOrMany{}, st.Action...), st.NotAction...) {
		if action != "*" && !strings.Contains(action, ":") {
			return errNoVendor
		}
	}
	for name := range st.Condition {
		if _, known := parseOperator(name); !known {
			return fmt.Errorf("Invalid Condition type : %s", name) //nolint:staticcheck // the text is AWS's
		}
	}
	return nil
}
