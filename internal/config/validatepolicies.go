package config

import "github.com/alecthomas/kingpin/v2"

func validatePoliciesFlag(app *kingpin.Application, c *Config) {
	app.Flag("validate-policies", "Have IAM Access Analyzer look at each role-policy that was written, and record what it finds as the event PolicyHint. Needs the permission access-analyzer:ValidatePolicy.").
		BoolVar(&c.ValidatePolicies)
}
