# The IAM role of kube-aws-iam-controller, with what it needs to make roles, and
# the boundary of the roles that it makes.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "trusted_service" {
  description = "The service that hands the role to the controller: pods.eks.amazonaws.com for EKS Pod Identity, ec2.amazonaws.com for nodes."
  type        = string
  default     = "pods.eks.amazonaws.com"
}

variable "other_roles" {
  description = "Existing roles of other accounts that the controller may assume. Those of this account need no mention."
  type        = list(string)
  default     = ["arn:aws:iam::999999999999:role/*"]
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}"
  made    = "${local.account}:role/kube-aws-iam-controller/*"
}

resource "aws_iam_policy" "boundary" {
  name        = "kube-aws-iam-controller-boundary"
  description = "The most that a role made by kube-aws-iam-controller can be allowed"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "WhatApplicationsUse"
        Effect = "Allow"
        Action = [
          "cloudwatch:*",
          "dynamodb:*",
          "kinesis:*",
          "kms:Decrypt",
          "kms:DescribeKey",
          "kms:Encrypt",
          "kms:GenerateDataKey*",
          "kms:ReEncrypt*",
          "logs:*",
          "route53:*",
          "s3:*",
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "ses:Send*",
          "sns:*",
          "sqs:*",
          "ssm:GetParameter*",
          "tag:GetResources",
        ]
        Resource = "*"
      },
    ]
  })
}

resource "aws_iam_role" "controller" {
  name = "kube-aws-iam-controller"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = var.trusted_service }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
      },
    ]
  })
}

resource "aws_iam_role_policy" "controller" {
  name = "kube-aws-iam-controller"
  role = aws_iam_role.controller.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FindOwnRole"
        Effect   = "Allow"
        Action   = "iam:GetRole"
        Resource = aws_iam_role.controller.arn
      },
      {
        Sid      = "CreateWithBoundaryAndTags"
        Effect   = "Allow"
        Action   = "iam:CreateRole"
        Resource = local.made
        Condition = {
          StringEquals = {
            "iam:PermissionsBoundary"   = aws_iam_policy.boundary.arn
            "aws:RequestTag/managed-by" = "kube-aws-iam-controller"
          }
        }
      },
      {
        Sid      = "TagNewAndOwn"
        Effect   = "Allow"
        Action   = "iam:TagRole"
        Resource = local.made
        Condition = {
          StringEqualsIfExists = {
            "aws:ResourceTag/managed-by" = "kube-aws-iam-controller"
            "aws:RequestTag/managed-by"  = "kube-aws-iam-controller"
          }
        }
      },
      {
        Sid    = "ChangeAndDeleteOwn"
        Effect = "Allow"
        Action = [
          "iam:AttachRolePolicy",
          "iam:DeleteRole",
          "iam:DeleteRolePolicy",
          "iam:DetachRolePolicy",
          "iam:PutRolePermissionsBoundary",
          "iam:PutRolePolicy",
          "iam:UntagRole",
          "iam:UpdateAssumeRolePolicy",
          "iam:UpdateRole",
        ]
        Resource  = local.made
        Condition = { StringEquals = { "aws:ResourceTag/managed-by" = "kube-aws-iam-controller" } }
      },
      {
        Sid      = "LeaveInstanceProfiles"
        Effect   = "Allow"
        Action   = "iam:RemoveRoleFromInstanceProfile"
        Resource = "${local.account}:instance-profile/*"
      },
      {
        Sid    = "Read"
        Effect = "Allow"
        Action = [
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListInstanceProfilesForRole",
          "iam:ListRolePolicies",
        ]
        Resource = local.made
      },
      {
        Sid      = "FindOrphans"
        Effect   = "Allow"
        Action   = "iam:ListRoles"
        Resource = "*"
      },
      {
        Sid    = "BoundaryStays"
        Effect = "Deny"
        Action = [
          "iam:AttachRolePolicy",
          "iam:PutRolePermissionsBoundary",
          "iam:PutRolePolicy",
          "iam:UpdateAssumeRolePolicy",
        ]
        Resource  = "*"
        Condition = { StringNotEquals = { "iam:PermissionsBoundary" = aws_iam_policy.boundary.arn } }
      },
      {
        Sid      = "OwnershipStays"
        Effect   = "Deny"
        Action   = "iam:UntagRole"
        Resource = "*"
        Condition = {
          "ForAnyValue:StringEqualsIgnoreCase" = {
            "aws:TagKeys" = ["managed-by", "kubernetes-cluster", "kubernetes-namespace", "kubernetes-service-account"]
          }
        }
      },
      {
        Sid      = "AssumeInOtherAccounts"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole", "sts:TagSession"]
        Resource = var.other_roles
      },
    ]
  })
}

output "controller_role_arn" {
  description = "What the controller runs as"
  value       = aws_iam_role.controller.arn
}

output "permissions_boundary_arn" {
  description = "What --permissions-boundary has to be"
  value       = aws_iam_policy.boundary.arn
}
