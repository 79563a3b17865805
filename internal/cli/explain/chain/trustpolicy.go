package chain

import (
	"fmt"

	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/sts"
	"kube-aws-iam-controller/internal/trust"
)

var trustRules = []rule{
	// STS evaluates the trust policy each time, and has just done so.
	func(f *Facts) *finding.Finding {
		if f.issuedForToday() {
			return ok("STS has issued credentials of the role for what is asked for today")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if _, known := f.Config(); !known {
			return unknown("which external ID the trust policy has to demand, because the configuration of the controller is not known")
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		if f.IAM.Unknown == "" {
			return nil
		}
		found := unknown(f.IAM.Unknown)
		found.Remedy = f.compareTrust()
		return found
	},
	func(f *Facts) *finding.Finding {
		if f.IAM.Value.Exists {
			return nil
		}
		role, _ := f.RoleReference()
		return broken(fmt.Sprintf("the role %s does not exist", role), "correct the name, path and account: "+f.edit()+"; or create the role")
	},
	// Names are unique in an account, whatever their path, and STS wants the path as well.
	func(f *Facts) *finding.Finding {
		role, _ := f.RoleReference()
		if !role.Resolved() || role.String() == f.IAM.Value.ARN {
			return nil
		}
		return broken(fmt.Sprintf("the role %s does not exist: the one of that name is %s", role, f.IAM.Value.ARN), f.edit())
	},
	func(f *Facts) *finding.Finding {
		if why := trust.Missing(f.IAM.Value.Trust, f.Principal, f.externalID(f.Key.Namespace), f.sessionName()); why != "" {
			return broken("the trust policy of the role does not allow the controller to assume it: "+why, f.compareTrust())
		}
		return nil
	},
	func(f *Facts) *finding.Finding {
		return ok(fmt.Sprintf("allows the external ID %s", f.externalID(f.Key.Namespace)))
	},
}

// NeedsTrustPolicy reports whether the trust policy tells something that is not known.
func (f *Facts) NeedsTrustPolicy() bool { return wantsExistingRole(f) && !f.issuedForToday() }

// sessionName returns the session name of a ServiceAccount, which its role may demand,
// and "" for an AWSIAMRole.
func (f *Facts) sessionName() string {
	if isServiceAccount(f) {
		return sts.ServiceAccountSessionName(f.Key.Namespace, f.Key.Name)
	}
	return ""
}

// compareTrust returns the commands that show what the trust policy is and has to be.
func (f *Facts) compareTrust() string {
	role, _ := f.RoleReference()
	return fmt.Sprintf("compare aws iam get-role --role-name %s --query Role.AssumeRolePolicyDocument with kubectl aws-iam trust-policy %s", role.Name, f.Key.Namespace)
}
