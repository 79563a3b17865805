@rem kubectl runs this, found on PATH, to complete the arguments of kubectl aws-iam.
@kubectl-aws_iam.exe __complete %*
