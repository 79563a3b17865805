// Package iam proves what is in examples/iam: that the controller needs all that the policy for it grants and nothing
// else, that what must not happen does not, and that the CloudFormation and Terraform templates say the same.
package iam
