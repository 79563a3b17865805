package config

import "github.com/alecthomas/kingpin/v2"

func validatePoliciesFlag(app *kingpin.Application, c *Config) {
	app.Flag("validate-policies", "Examine each role-policy that was written: have IAM Access Analyzer look at it, compare it with the permissions boundary, and record what is found as the event PolicyHint. Needs access-analyzer:ValidatePolicy, and for the boundary iam:GetPolicy and iam:GetPolicyVersion.").
		BoolVar(&c.ValidatePolicies)
}
