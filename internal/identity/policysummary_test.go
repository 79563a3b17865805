package identity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPolicySummary(t *testing.T) {
	for name, tc := range map[string]struct {
		policy  string
		want    string
		nothing bool
	}{
		"an action": {policyOf(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), "1 statement: Allow s3:GetObject", false},
		"no list":   {`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, "1 statement: Allow *", false},
		"two":       {policyOf(`{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"*"}`, `{"Effect":"Deny","Action":"s3:GetObjectAcl","Resource":"*"}`), "2 statements: Allow s3:Get*, s3:List*; Deny s3:GetObjectAcl", false},
		"under a condition": {policyOf(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`),
			"1 statement: Allow s3:Get* under a condition", false},
		"all but some": {policyOf(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`), "1 statement: Allow all but iam:*", false},
		"many actions": {policyOf(`{"Effect":"Allow","Action":["a:1","a:2","a:3","a:4","a:5","a:6"],"Resource":"*"}`), "1 statement: Allow a:1, a:2, a:3, a:4 and 2 more", false},
		"many statements": {policyOf(strings.TrimSuffix(strings.Repeat(`{"Effect":"Allow","Action":"a:1","Resource":"*"},`, 5), ",")),
			"5 statements: Allow a:1; Allow a:1; Allow a:1; and 2 more", false},
		"nothing but Deny": {policyOf(`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`), "1 statement: Deny s3:*", true},
		"hostile":          {policyOf(`{"Effect":"Allow","Action":"s3:\u001b[2J\n","Resource":"*"}`), `1 statement: Allow "s3:\x1b[2J\n"`, false},
		"no policy":        {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, allows := PolicySummary(tc.policy)
			assert.Equal(t, tc.want, got)
			assert.Equal(t, tc.want != "" && !tc.nothing, allows)
		})
	}
	long, _ := PolicySummary(policyOf(`{"Effect":"Allow","Action":"s3:` + strings.Repeat("a", 1900) + `","Resource":"*"}`))
	assert.Less(t, len(long), 200)
}
