package convert

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/namespaces"
)

// checkNamespaces says whether the rules of namespaces permit their roles, as the
// controller reads them.
func (c *converter) checkNamespaces() {
	for _, o := range c.namespaces {
		if wrong := o.misnamed(); wrong != nil {
			if _, restricts := o.annotation(api.AllowedRolesAnnotation); restricts && c.Regexp {
				c.leave(o, wrong)
			}
			continue
		}
		c.translateRegexps(o)
		annotations := manifest.Strings(manifest.At(o.node, "metadata", "annotations"))
		rules, err := namespaces.ParseRules(annotations)
		if err != nil {
			c.openEach(o, manifest.At(o.node, "metadata", "annotations"), err)
			continue
		}
		for _, account := range c.result.Accounts {
			if account.Namespace == o.name && len(rules) > 0 {
				c.checkRules(o, rules, account.Role)
			}
		}
	}
}

func (c *converter) checkRules(o *object, rules namespaces.Rules, role identity.RoleReference) {
	base := identity.BaseRole{Partition: role.Partition, Account: role.Account}
	if c.Base != nil {
		base = *c.Base
	}
	if !role.Resolved() {
		c.note(o, nil, "whether its rules permit %s depends on the account: give --base-role-arn", role)
		return
	}
	if why, _ := rules.Violation(role, base); why != "" {
		c.open(o, nil, "it may not use %s: %s", role, why)
	}
}

var (
	// onlyRegexp are characters that no role name, path, ARN or glob has.
	onlyRegexp = regexp.MustCompile(`\.\*|[\\^$|()\[\]{}?]`)
	// simpleRegexp is one that a glob can say.
	simpleRegexp = regexp.MustCompile(`^(?:[\w+=,@/:-]|\.\*)*\$?$`)
)

// translateRegexps adds globs to allowed-roles for entries in the regexp form of
// kube2iam, which stay. In the globs, every * stands twice: the controller reads that as
// one, and kube2iam in its regexp form skips such an entry as malformed, so that it does
// not permit anything that it did not before:
// https://github.com/jtblin/kube2iam/blob/master/mappings/mapper.go.
func (c *converter) translateRegexps(o *object) {
	value, has := o.annotation(api.AllowedRolesAnnotation)
	var entries []string
	if !has || json.Unmarshal([]byte(value), &entries) != nil {
		return
	}
	all := slices.Clone(entries)
	for _, entry := range entries {
		if strings.Contains(entry, "**") || !c.Regexp && !onlyRegexp.MatchString(entry) {
			continue
		}
		glob, ok := globOf(entry)
		if !ok {
			c.open(o, nil, "%s: %q is a regular expression that globs cannot say: list the roles instead%s", api.AllowedRolesAnnotation, entry, permittedInstead(entries))
			continue
		}
		if !slices.Contains(all, glob) {
			all = append(all, glob)
		}
	}
	if len(all) == len(entries) {
		return
	}
	if text, err := json.Marshal(all); err == nil {
		annotations := manifest.At(o.node, "metadata", "annotations")
		if c.isKept(o) {
			c.open(o, annotations, "%s has the regexp form of kube2iam, and the document cannot be changed: write %s by hand", api.AllowedRolesAnnotation, text)
			return
		}
		o.doc.Set(annotations, api.AllowedRolesAnnotation, string(text))
		c.note(o, annotations, "%s has the regexp form of kube2iam, which the controller does not read: the same is added as globs. kube2iam logs an error for each of them and skips it", api.AllowedRolesAnnotation)
	}
}

// permittedInstead returns how another rule says the only entry of allowed-roles. It would
// not do beside further entries, because a role has to satisfy both rules.
func permittedInstead(entries []string) string {
	if len(entries) != 1 {
		return ""
	}
	return ", or write " + api.PermittedAnnotation + ": .*:role/.*(?:" + entries[0] + ").* in its place once kube2iam is gone"
}

// globOf returns the glob for a regular expression of kube2iam, which matches anything
// that begins with it unless it ends in $.
func globOf(expression string) (string, bool) {
	if !simpleRegexp.MatchString(expression) {
		return "", false
	}
	exact, ends := strings.CutSuffix(expression, "$")
	glob := strings.ReplaceAll(exact, ".*", "**")
	if !ends && !strings.HasSuffix(glob, "**") {
		glob += "**"
	}
	return glob, true
}
