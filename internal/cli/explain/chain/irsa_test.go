package chain

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/finding"
	"kube-aws-iam-controller/internal/cli/installation"
)

func TestAnAnnotationOfIRSAIsExplainedAsTheControllerReadsIt(t *testing.T) {
	f := soundIdentity(t)
	f.Account.Value.Annotations = map[string]string{api.IRSAAnnotation: appARN}
	f.IAM.Unknown = "it was not read"
	assert.Equal(t, finding.Broken, found(f, "serviceaccount").State)

	f.Controllers.Value = []*installation.Controller{controller(t, "--irsa-annotations")}
	got := found(f, "serviceaccount")
	assert.Equal(t, finding.OK, got.State, got.Message)
	assert.Equal(t, "app asks for the role "+appARN+", by the annotation eks.amazonaws.com/role-arn", got.Message)
}
