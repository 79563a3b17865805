package sts

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
	"kube-aws-iam-controller/internal/identity"
)

func TestOutagesAreToldFromRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		fault awssim.Fault
		want  bool
	}{
		"STS is away":                {awssim.Fault{Code: "ServiceUnavailable"}, true},
		"STS does not answer":        {awssim.Fault{Drop: true}, true},
		"the controller is unknown":  {awssim.Fault{Code: "InvalidClientTokenId"}, true},
		"STS refuses":                {awssim.Fault{Code: "AccessDenied"}, false},
		"STS is asked too often":     {awssim.Fault{Code: "Throttling"}, false},
		"the Region is not enabled":  {awssim.Fault{Code: "RegionDisabledException"}, false},
		"the policy cannot be right": {awssim.Fault{Code: "MalformedPolicyDocument"}, false},
	} {
		for _, action := range []string{"AssumeRole", "GetCallerIdentity"} {
			if action == "GetCallerIdentity" && !tc.want {
				continue // nobody's request was refused there
			}
			t.Run(name+" for "+action, func(t *testing.T) {
				w := newWorld(t, awssim.Options{})
				w.app("app")
				a := w.assumer(w.asRole(), Options{})
				tc.fault.Action = action
				w.Set(awssim.Settings{Faults: &[]awssim.Fault{tc.fault}})
				_, err := a.Assume(t.Context(), wanting(t, "app"))
				w.requireHarmless(err)
				assert.Equal(t, tc.want, isOutage(err), err)
				if action == "AssumeRole" {
					_, err = a.EnforcesExternalID(t.Context(), wanting(t, "app"))
					if name != "STS refuses" {
						require.Error(t, err)
					}
					assert.Equal(t, tc.want, isOutage(err), "so is the check of the external ID: %v", err)
				}
			})
		}
	}
}

func isOutage(err error) bool { return errors.Is(err, identity.ErrOutage) }
