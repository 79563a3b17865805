# The IAM role of one cluster's kube-aws-iam-controller, with the policy it needs to
# create managed roles, and their permissions boundary. Use the module once for each
# cluster. README.md says how to update an installation from before cluster_name.
terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

variable "cluster_name" {
  description = "What --cluster-name of the controller is. The controller can make and change roles of this cluster alone."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", var.cluster_name))
    error_message = "A cluster's name is up to 100 letters, digits, dots, underscores and hyphens."
  }
}

variable "controller_role_name" {
  description = "Name of the controller's role, if it is not to be kube-aws-iam-controller-<cluster_name>. Needed if cluster_name has more than 40 characters, and to keep the name of a role that trust policies name. Another name replaces the role."
  type        = string
  default     = ""
}

variable "boundary_name" {
  description = "Name of the permissions boundary, if it is not to be kube-aws-iam-controller-boundary-<cluster_name>. Another name replaces the policy."
  type        = string
  default     = ""
}

variable "trusted_service" {
  description = "The service that hands the role to the controller: pods.eks.amazonaws.com for EKS Pod Identity. With ec2.amazonaws.com the role is the node's, and EVERY pod that reaches the node's instance metadata is the controller and has its permissions."
  type        = string
  default     = "pods.eks.amazonaws.com"
}

variable "eks_cluster_name" {
  description = "Name of the EKS cluster that the controller runs in. If it is given, the Pod Identity association is made, with session tags disabled."
  type        = string
  default     = ""
}

variable "namespace" {
  description = "The controller's namespace, for the association."
  type        = string
  default     = "kube-system"
}

variable "service_account" {
  description = "The controller's ServiceAccount, for the association."
  type        = string
  default     = "kube-aws-iam-controller"
}

variable "buckets" {
  description = "Buckets in which each namespace has the prefix <cluster>/<namespace>/."
  type        = list(string)
  default     = []
}

variable "role_tag_keys" {
  description = "The keys of the controller's --role-tags, if there are any."
  type        = list(string)
  default     = []
}

variable "other_roles" {
  description = "Existing roles of other accounts that the controller may assume, by name or by path. Those of this account need no mention."
  type        = list(string)
  default     = []
  validation {
    condition = alltrue([for role in var.other_roles :
      can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/(([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]+|([A-Za-z0-9_+=,.@-]+/)+[*])$", role))
    ])
    error_message = "Name single roles, or all under a path such as arn:aws:iam::999999999999:role/kubernetes/*, never role/*."
  }
}

variable "instance_profiles" {
  description = "ARNs of instance profiles that the controller may take its roles out of when it deletes them. IAM does not ask whose role it is."
  type        = list(string)
  default     = []
}

variable "read_boundary" {
  description = "Whether the controller may read the permissions boundary, so that policy hints say what the boundary takes away."
  type        = bool
  default     = false
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  account_id = data.aws_caller_identity.current.account_id
  made       = "arn:${local.partition}:iam::${local.account_id}:role/kube-aws-iam-controller/${var.cluster_name}/*"
  # Whose a role is, which IAM puts in when it decides.
  owner = "$${aws:PrincipalTag/kubernetes-cluster}/$${aws:PrincipalTag/kubernetes-namespace}"
}

resource "aws_iam_policy" "boundary" {
  name        = var.boundary_name != "" ? var.boundary_name : "kube-aws-iam-controller-boundary-${var.cluster_name}"
  description = "The most that a role made by kube-aws-iam-controller can be allowed"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([for statement in [
      {
        Sid    = "OwnObjects"
        Effect = "Allow"
        Action = [
          "s3:AbortMultipartUpload",
          "s3:DeleteObject",
          "s3:GetObject",
          "s3:GetObjectAttributes",
          "s3:GetObjectVersion",
          "s3:ListMultipartUploadParts",
          "s3:PutObject",
        ]
        Resource = [for bucket in var.buckets : "arn:${local.partition}:s3:::${bucket}/${local.owner}/*"]
      },
      {
        Sid      = "ListOwnObjects"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = [for bucket in var.buckets : "arn:${local.partition}:s3:::${bucket}"]
        Condition = {
          StringLike = {
            "s3:prefix" = "${local.owner}/*"
          }
        }
      },
      {
        Sid      = "FindBucket"
        Effect   = "Allow"
        Action   = "s3:GetBucketLocation"
        Resource = [for bucket in var.buckets : "arn:${local.partition}:s3:::${bucket}"]
      },
      ] : statement if length(var.buckets) > 0], [
      {
        Sid    = "OwnByName"
        Effect = "Allow"
        Action = [
          "logs:CreateLogStream",
          "logs:DescribeLogStreams",
          "logs:FilterLogEvents",
          "logs:GetLogEvents",
          "logs:PutLogEvents",
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "ssm:GetParameter",
          "ssm:GetParameters",
          "ssm:GetParametersByPath",
        ]
        Resource = [
          "arn:${local.partition}:logs:*:${local.account_id}:log-group:/${local.owner}/*",
          "arn:${local.partition}:secretsmanager:*:${local.account_id}:secret:${local.owner}/*",
          "arn:${local.partition}:ssm:*:${local.account_id}:parameter/${local.owner}",
          "arn:${local.partition}:ssm:*:${local.account_id}:parameter/${local.owner}/*",
        ]
      },
      {
        Sid    = "OwnByTags"
        Effect = "Allow"
        Action = [
          "dynamodb:BatchGetItem",
          "dynamodb:BatchWriteItem",
          "dynamodb:ConditionCheckItem",
          "dynamodb:DeleteItem",
          "dynamodb:DescribeTable",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:Scan",
          "dynamodb:UpdateItem",
          "kms:Decrypt",
          "kms:DescribeKey",
          "kms:Encrypt",
          "kms:GenerateDataKey*",
          "kms:ReEncrypt*",
          "sns:Publish",
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:GetQueueUrl",
          "sqs:ReceiveMessage",
          "sqs:SendMessage",
        ]
        Resource = "*"
        Condition = {
          StringEquals = {
            "aws:ResourceTag/kubernetes-cluster"   = "$${aws:PrincipalTag/kubernetes-cluster}"
            "aws:ResourceTag/kubernetes-namespace" = "$${aws:PrincipalTag/kubernetes-namespace}"
          }
        }
      },
      {
        Sid    = "KeysThroughServices"
        Effect = "Allow"
        Action = [
          "kms:Decrypt",
          "kms:Encrypt",
          "kms:GenerateDataKey*",
          "kms:ReEncrypt*",
        ]
        Resource = "*"
        Condition = {
          StringLike = {
            "kms:ViaService" = [
              "dynamodb.*",
              "s3.*",
              "secretsmanager.*",
              "sns.*",
              "sqs.*",
              "ssm.*",
            ]
          }
        }
      },
      {
        Sid      = "OwnMetrics"
        Effect   = "Allow"
        Action   = "cloudwatch:PutMetricData"
        Resource = "*"
        Condition = {
          StringEquals = {
            "cloudwatch:namespace" = local.owner
          }
        }
      },
      {
        Sid    = "OneServiceAccountAlone"
        Effect = "Allow"
        Action = [
          "route53:ChangeResourceRecordSets",
          "route53:ListHostedZones",
          "route53:ListResourceRecordSets",
          "route53:ListTagsForResources",
        ]
        Resource = "*"
        Condition = {
          StringEquals = {
            "aws:PrincipalTag/kubernetes-cluster"         = var.cluster_name
            "aws:PrincipalTag/kubernetes-namespace"       = "external-dns"
            "aws:PrincipalTag/kubernetes-service-account" = "external-dns"
          }
        }
      },
      {
        Sid    = "NeitherIdentitiesNorAccounts"
        Effect = "Deny"
        Action = [
          "account:*",
          "iam:*",
          "organizations:*",
          "ram:*",
          "sso:*",
          "sts:*",
        ]
        Resource = "*"
      },
      {
        Sid    = "NoResourcePolicies"
        Effect = "Deny"
        Action = [
          "dynamodb:*ResourcePolicy",
          "ecr:SetRepositoryPolicy",
          "events:*Permission",
          "kinesis:*ResourcePolicy",
          "kms:CreateGrant",
          "kms:PutKeyPolicy",
          "lambda:*Permission",
          "logs:Put*Policy",
          "s3:*AccessGrant*",
          "s3:*AccessPoint*",
          "s3:DeleteBucket*",
          "s3:Put*Acl",
          "s3:PutAccountPublicAccessBlock",
          "s3:PutBucket*",
          "s3:PutReplicationConfiguration",
          "secretsmanager:*ResourcePolicy",
          "sns:*Permission",
          "sns:SetTopicAttributes",
          "sqs:*Permission",
          "sqs:SetQueueAttributes",
          "ssm:*ResourcePolicy",
          "ssm:ModifyDocumentPermission",
        ]
        Resource = "*"
      },
    ])
  })
}

resource "aws_iam_role" "controller" {
  name = var.controller_role_name != "" ? var.controller_role_name : "kube-aws-iam-controller-${var.cluster_name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge({
        Effect    = "Allow"
        Principal = { Service = var.trusted_service }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
        }, {
        for element, value in { Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } } } :
        element => value if var.trusted_service == "pods.eks.amazonaws.com"
      }),
    ]
  })
}

resource "aws_iam_role_policy" "controller" {
  name = "kube-aws-iam-controller"
  role = aws_iam_role.controller.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
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
            "iam:PermissionsBoundary"           = aws_iam_policy.boundary.arn
            "aws:RequestTag/managed-by"         = "kube-aws-iam-controller"
            "aws:RequestTag/kubernetes-cluster" = var.cluster_name
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
            "aws:ResourceTag/managed-by"         = "kube-aws-iam-controller"
            "aws:ResourceTag/kubernetes-cluster" = var.cluster_name
            "aws:RequestTag/managed-by"          = "kube-aws-iam-controller"
            "aws:RequestTag/kubernetes-cluster"  = var.cluster_name
          }
          "ForAllValues:StringEquals" = {
            "aws:TagKeys" = concat([
              "managed-by",
              "kubernetes-cluster",
              "kubernetes-cluster-uid",
              "kubernetes-namespace",
              "kubernetes-service-account",
              "retained",
            ], var.role_tag_keys)
          }
          "Null" = {
            "aws:TagKeys" = "false"
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
        Resource = local.made
        Condition = {
          StringEquals = {
            "aws:ResourceTag/managed-by"         = "kube-aws-iam-controller"
            "aws:ResourceTag/kubernetes-cluster" = var.cluster_name
          }
        }
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
        Resource = "*"
        Condition = {
          StringNotEquals = {
            "iam:PermissionsBoundary" = aws_iam_policy.boundary.arn
          }
        }
      },
      {
        Sid      = "OwnershipStays"
        Effect   = "Deny"
        Action   = "iam:UntagRole"
        Resource = "*"
        Condition = {
          "ForAnyValue:StringEqualsIgnoreCase" = {
            "aws:TagKeys" = [
              "managed-by",
              "kubernetes-cluster",
              "kubernetes-cluster-uid",
              "kubernetes-namespace",
              "kubernetes-service-account",
            ]
          }
        }
      },
      {
        Sid    = "NeverAdministrators"
        Effect = "Deny"
        Action = "sts:AssumeRole"
        Resource = [
          "arn:${local.partition}:iam::*:role/AWSCloudFormationStackSetExecutionRole",
          "arn:${local.partition}:iam::*:role/AWSControlTowerExecution",
          "arn:${local.partition}:iam::*:role/OrganizationAccountAccessRole",
        ]
      },
      ], [for roles in [var.other_roles] : {
        Sid      = "AssumeInOtherAccounts"
        Effect   = "Allow"
        Action   = ["sts:AssumeRole", "sts:TagSession"]
        Resource = roles
        } if length(roles) > 0], [for profiles in [var.instance_profiles] : {
        Sid      = "LeaveInstanceProfiles"
        Effect   = "Allow"
        Action   = "iam:RemoveRoleFromInstanceProfile"
        Resource = profiles
        } if length(profiles) > 0], [for boundary in [aws_iam_policy.boundary.arn] : {
        Sid      = "ReadBoundary"
        Effect   = "Allow"
        Action   = ["iam:GetPolicy", "iam:GetPolicyVersion"]
        Resource = boundary
    } if var.read_boundary])
  })
}

# The tags that Pod Identity sets are transitive: they would be those of every
# session that the controller makes, and say kube-system to the boundary.
resource "aws_eks_pod_identity_association" "controller" {
  count                = var.eks_cluster_name != "" ? 1 : 0
  cluster_name         = var.eks_cluster_name
  namespace            = var.namespace
  service_account      = var.service_account
  role_arn             = aws_iam_role.controller.arn
  disable_session_tags = true
}

output "controller_role_arn" {
  description = "What the controller runs as"
  value       = aws_iam_role.controller.arn
}

output "permissions_boundary_arn" {
  description = "What --permissions-boundary has to be"
  value       = aws_iam_policy.boundary.arn
}
