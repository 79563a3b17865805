package identity

import (
	"fmt"
	"regexp"
	"strings"
)

// A RoleReference names an IAM role, by ARN or by path and name in the base
// account, which Resolve fills in. The zero value names no role.
type RoleReference struct {
	// Partition and Account are "" for a role in the base account.
	Partition, Account string
	// Path has a trailing slash and no leading one: "" or "a/b/".
	Path string
	Name string
}

// Character sets and lengths of IAM names and paths:
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html. IAM
// accepts empty path levels; here they are rejected as typing errors.
var (
	roleName  = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	rolePath  = regexp.MustCompile(`^(?:[\x21-\x2E\x30-\x7E]+/)*$`)
	partition = regexp.MustCompile(`^aws(?:-[a-z]{1,8}){0,3}$`)
	account   = regexp.MustCompile(`^[0-9]{12}$`)
	digits    = regexp.MustCompile(`^[0-9]+$`)
)

// maxPath is the maximum length of a path in IAM, leading and trailing slash
// included.
const maxPath = 512

// ReadRole parses a role as ParseRole does, but ignores surrounding white space and
// one leading slash, which IAM's own notation of paths has.
func ReadRole(value string) (RoleReference, error) {
	return ParseRole(strings.TrimPrefix(strings.TrimSpace(value), "/"))
}

// ParseRole parses a role name, path/name, or the ARN of a role in any account and
// partition. Errors name the value and the remedy.
func ParseRole(value string) (RoleReference, error) {
	var ref RoleReference
	rest := value
	if strings.HasPrefix(value, "arn:") {
		// arn:partition:iam::account:role/path/name; what follows the
		// fifth colon is not split, because paths may contain colons.
		f := strings.SplitN(value, ":", 6)
		if len(f) < 6 || f[2] != "iam" || f[3] != "" || !partition.MatchString(f[1]) || !account.MatchString(f[4]) {
			return ref, fmt.Errorf("%s is not the ARN of an IAM role: %sexpected arn:<partition>:iam::<account>:role/<name>", Quote(value), accountProblem(value))
		}
		ref.Partition, ref.Account = f[1], f[4]
		var isRole bool
		if rest, isRole = strings.CutPrefix(f[5], "role/"); !isRole {
			return ref, fmt.Errorf("%s is not the ARN of a role: only roles can be assumed, expected …:role/<name>", Quote(value))
		}
	}
	cut := strings.LastIndexByte(rest, '/') + 1
	ref.Path, ref.Name = rest[:cut], rest[cut:]
	return ref, ref.check(value)
}

func (r RoleReference) check(value string) error {
	switch {
	case value == "":
		return fmt.Errorf("the role is empty: give a role name, path/name or role ARN")
	case !roleName.MatchString(r.Name):
		return fmt.Errorf("%s does not name a role: a role name has 1 to 64 letters, digits and +=,.@_-", Quote(value))
	case !rolePath.MatchString(r.Path) || len(r.Path)+1 > maxPath:
		return fmt.Errorf("%s has a malformed path: levels of printable ASCII, each followed by one slash, at most %d characters, no slash in front", Quote(value), maxPath)
	}
	return nil
}

// String returns the ARN of a resolved role, otherwise path/name.
func (r RoleReference) String() string {
	if r.Account == "" {
		return r.Path + r.Name
	}
	return "arn:" + r.Partition + ":iam::" + r.Account + ":role/" + r.Path + r.Name
}

// Resolved reports whether the reference is a full ARN.
func (r RoleReference) Resolved() bool { return r.Account != "" }

// Resolve returns r with partition, account and path prefix of base if it is not a
// full ARN already. The error is that of a name that becomes too long.
func (r RoleReference) Resolve(base BaseRole) (RoleReference, error) {
	if r.Resolved() {
		return r, nil
	}
	return ParseRole(base.String() + r.Path + r.Name)
}

// SameRole reports whether both references name the same role. Role names are
// unique in an account regardless of case and path, so neither distinguishes two
// roles. The partition follows from the account. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
func (r RoleReference) SameRole(other RoleReference) bool {
	return r.Resolved() && r.Account == other.Account && strings.EqualFold(r.Name, other.Name)
}

// BaseRole is the account and prefix that complete role names without an account.
type BaseRole struct {
	Partition, Account string
	// Prefix is prepended to every name and path/name. It is "", a path such as
	// "a/b/", or, because it is plain text, a path and the beginning of a name such
	// as "a/kube-".
	Prefix string
}

// ParseBaseRole parses a base role ARN, such as arn:aws:iam::123456789012:role/ or
// arn:aws:iam::123456789012:role/path/.
func ParseBaseRole(arn string) (BaseRole, error) {
	ref, err := ParseRole(arn + "x")
	if err != nil || !ref.Resolved() {
		return BaseRole{}, fmt.Errorf("%s is not a base role ARN: %sexpected arn:<partition>:iam::<account>:role/ with a slash at its end", Quote(arn), accountProblem(arn))
	}
	return BaseRole{
		Partition: ref.Partition,
		Account:   ref.Account,
		Prefix:    ref.Path + strings.TrimSuffix(ref.Name, "x"),
	}, nil
}

// String returns the base role ARN.
func (b BaseRole) String() string {
	return "arn:" + b.Partition + ":iam::" + b.Account + ":role/" + b.Prefix
}

// accountProblem returns what is wrong with the account ID of an ARN, "" if it is
// not the problem. Account IDs that are treated as numbers lose their leading
// zeros.
func accountProblem(arn string) string {
	f := strings.SplitN(arn, ":", 6)
	if len(f) < 6 || f[0] != "arn" || !digits.MatchString(f[4]) || len(f[4]) == 12 {
		return ""
	}
	return fmt.Sprintf("the account %s has %d digits and account IDs have 12, including leading zeros; ", Cut(f[4]), len(f[4]))
}
