package awserr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
)

func TestIsOutage(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"none":                              {nil, false},
		"AWS cannot answer":                 {answered(503, api("ServiceUnavailable", "no")), true},
		"AWS fails":                         {Describe(answered(500, api("InternalFailure", "no"))), true},
		"the answer of a proxy":             {answered(502, api(unknown, "no")), true},
		"a refused connection":              {sent(&net.OpError{Op: "dial", Err: errors.New("refused")}), true},
		"a wait for the rate limit":         {fmt.Errorf("wait for a turn: %w", context.DeadlineExceeded), false},
		"no answer in time":                 {&smithy.OperationError{ServiceID: "STS", Err: context.DeadlineExceeded}, true},
		"expired credentials":               {answered(403, api("ExpiredToken", "no")), true},
		"a key that AWS does not know":      {api("InvalidAccessKeyId", "no"), true},
		"no signature":                      {answered(403, api("MissingAuthenticationToken", "no")), true},
		"an account without the service":    {answered(403, api("OptInRequired", "no")), true},
		"a wrong clock":                     {answered(403, api("SignatureDoesNotMatch", "no")), true},
		"no credentials of its own":         {&CredentialsError{Source: "nowhere", Err: answered(403, api("AccessDenied", "no"))}, true},
		"a refusal":                         {answered(403, api("AccessDenied", "no")), false},
		"a malformed request":               {answered(400, api("ValidationError", "no")), false},
		"throttling":                        {answered(400, api("Throttling", "no")), false},
		"the end of the process":            {&smithy.OperationError{ServiceID: "STS", Err: context.Canceled}, false},
		"what is not known":                 {errors.New("boom"), false},
		"a refusal in the account's Region": {answered(403, api("RegionDisabledException", "no")), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, tc.want, IsOutage(tc.err)) })
	}
}

func TestTroubleWithTheControllersCredentialsIsAnOutage(t *testing.T) {
	for _, a := range remedies {
		if a.remedy != setClock && !strings.HasPrefix(a.remedy, controllerCredentials) {
			continue
		}
		for _, code := range a.codes {
			assert.True(t, IsOutage(api(code, a.contains)), "%s fails every request alike, and people are told: %s", code, a.remedy)
		}
	}
}
