package config

import "github.com/alecthomas/kingpin/v2"

// IRSAAnnotations says whether eks.amazonaws.com/role-arn on a ServiceAccount requests a
// role, as in IAM roles for service accounts (IRSA).
type IRSAAnnotations string

// The choices of IRSAAnnotations. The admission policy has the same values.
const (
	IgnoreIRSA IRSAAnnotations = "false"
	ReadIRSA   IRSAAnnotations = "true"
	// ForceIRSA reads the annotation even if the webhook of EKS is in the cluster, which
	// reads it too.
	ForceIRSA IRSAAnnotations = "force"
)

// Read reports whether the annotation requests a role.
func (a IRSAAnnotations) Read() bool { return a == ReadIRSA || a == ForceIRSA }

func irsaFlag(app *kingpin.Application, c *Config) {
	app.Flag(irsaChoice.flag, "Let eks.amazonaws.com/role-arn on a ServiceAccount request a role where none of iam.amazonaws.com/role, role-policy and managed-policies does: true, false, or force for true even beside the webhook of EKS.").
		Default(string(IgnoreIRSA)).SetValue(choiceValue[IRSAAnnotations]{irsaChoice, &c.IRSAAnnotations})
}
