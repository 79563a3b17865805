package check

import (
	"kube-aws-iam-controller/internal/cli/crd"
	"kube-aws-iam-controller/internal/cli/finding"
)

func checkCRD(f *facts) []finding.Finding {
	const check = "crd"
	switch {
	case f.crd.err != nil && f.served.err == nil && f.served.value:
		return ok(check, "AWSIAMRoles are served; you may not get the CustomResourceDefinition, so its fields are not compared")
	case f.crd.err != nil && (f.served.err != nil || f.served.value):
		return unseen(check, "get the CustomResourceDefinition "+crd.Name, f.crd.err)
	case f.crd.value == nil && f.servesOneNamespace():
		return warning(check, "the CustomResourceDefinition "+crd.Name+" is not installed: AWSIAMRoles are not served", crd.Apply)
	case f.crd.value == nil:
		return broken(check, "the CustomResourceDefinition "+crd.Name+" is not installed: AWSIAMRoles are not served", crd.Apply)
	case !f.served.value:
		return broken(check, "the CustomResourceDefinition "+crd.Name+" is installed, but its version v1 is not served", crd.Apply)
	}
	missing, err := crd.MissingFields(f.crd.value)
	switch {
	case err != nil:
		return unseen(check, "compare the CustomResourceDefinition", err)
	case len(missing) > 0:
		return warning(check, crd.Lacks(missing), crd.Apply)
	}
	return ok(check, "%s has all fields of this version", crd.Name)
}

func (f *facts) servesOneNamespace() bool {
	c := f.controller()
	return c != nil && c.ConfigError == nil && c.Config.Namespace != ""
}
