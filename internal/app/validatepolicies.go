package app

import (
	"kube-aws-iam-controller/internal/events"
	"kube-aws-iam-controller/internal/policycheck"
	"kube-aws-iam-controller/internal/sts"
)

// newValidator returns what has IAM Access Analyzer look at policies, nil if nothing does.
func (c *controller) newValidator(assumer *sts.Assumer, reporter *events.Reporter) *policycheck.Validator {
	if !c.config.ValidatePolicies {
		return nil
	}
	return policycheck.New(assumer.Config(), reporter, c.logger)
}
