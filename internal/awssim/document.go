package awssim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// document is a policy document: its text as it was given, and what it says.
type document struct {
	text       string
	statements []statement
}

// statement is one statement, https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html.
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
}

// oneOrMany is a string, boolean or number, or a list of them.
type oneOrMany []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	var many []any
	if err := json.Unmarshal(b, &many); err != nil {
		var one any
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		many = []any{one}
	}
	*o = oneOrMany{}
	for _, v := range many {
		switch v := v.(type) {
		case string:
			*o = append(*o, v)
		case bool, float64:
			*o = append(*o, fmt.Sprint(v))
		default:
			return fmt.Errorf("a value is neither string, boolean nor number")
		}
	}
	return nil
}

// principals are "*" or lists by kind: AWS, Service, Federated, CanonicalUser.
type principals struct {
	byKind map[string]oneOrMany
	// bound are the AWS principals once the policy is saved.
	bound []boundPrincipal
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *principals) UnmarshalJSON(b []byte) error {
	var star string
	if json.Unmarshal(b, &star) == nil {
		if star != "*" {
			return errors.New("a principal is neither * nor an object")
		}
		p.byKind = map[string]oneOrMany{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, &p.byKind)
}

// parseDocument reads the text of a policy. Elements that do not exist are
// syntax errors, as they are to IAM.
func parseDocument(text string) (*document, error) {
	var policy struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := strictUnmarshal([]byte(text), &policy); err != nil {
		return nil, errors.New("This policy contains invalid Json") //nolint:staticcheck // AWS's own words
	}
	if policy.Version != "" && policy.Version != "2012-10-17" && policy.Version != "2008-10-17" {
		return nil, errors.New("Syntax errors in policy.") //nolint:staticcheck,revive // AWS's own words
	}
	d := &document{text: text}
	if err := strictUnmarshal(policy.Statement, &d.statements); err != nil {
		var single statement
		if err := strictUnmarshal(policy.Statement, &single); err != nil {
			return nil, errors.New("Syntax errors in policy.") //nolint:staticcheck,revive // AWS's own words
		}
		d.statements = []statement{single}
	}
	if len(d.statements) == 0 {
		return nil, errors.New("Syntax errors in policy.") //nolint:staticcheck,revive // AWS's own words
	}
	for i := range d.statements {
		if err := d.statements[i].check(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func strictUnmarshal(b []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// check finds what no kind of policy may have.
func (st *statement) check() error {
	if st.Effect != "Allow" && st.Effect != "Deny" {
		return errors.New("Syntax errors in policy.") //nolint:staticcheck,revive // AWS's own words
	}
	if (len(st.Action) == 0) == (len(st.NotAction) == 0) {
		return errors.New("Policy statement must contain actions.") //nolint:staticcheck,revive // AWS's own words
	}
	for name := range st.Condition {
		if _, known := parseOperator(name); !known {
			return fmt.Errorf("Invalid Condition type : %s", name) //nolint:staticcheck // AWS's own words
		}
	}
	return nil
}
