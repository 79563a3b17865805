{{- /* The flags that follow from values, as environment variables. Empty ones are left out, but for those of pods. */}}
{{- define "kube-aws-iam-controller.settings" -}}
{{- $v := .Values -}}
KUBE_AWS_IAM_CLUSTER_NAME: {{ $v.clusterName | quote }}
{{- $optional := dict
  "AWS_REGION" $v.aws.region
  "KUBE_AWS_IAM_BASE_ROLE_ARN" $v.aws.baseRoleArn
  "KUBE_AWS_IAM_ASSUME_ROLE" $v.aws.assumeRole
  "KUBE_AWS_IAM_CONTROLLER_ROLE_ARN" $v.aws.controllerRoleArn
  "KUBE_AWS_IAM_PERMISSIONS_BOUNDARY" $v.managedRoles.permissionsBoundary
  "KUBE_AWS_IAM_ROLE_PATH" $v.managedRoles.path
  "KUBE_AWS_IAM_ROLE_TAGS" (include "kube-aws-iam-controller.pairs" $v.managedRoles.tags)
}}
{{- if and $v.namespaces.only (ne $v.namespaces.only .Release.Namespace) }}
{{- $_ := set $optional "KUBE_AWS_IAM_NAMESPACE" $v.namespaces.only }}
{{- end }}
{{- /* What is as the controller has it by itself is left to it. */}}
{{- if $v.aws.sessionTags }}{{ $_ := set $optional "KUBE_AWS_IAM_SESSION_TAGS" "true" }}{{ end }}
{{- if $v.managedRoles.allowWithoutBoundary }}{{ $_ := set $optional "KUBE_AWS_IAM_ALLOW_ROLES_WITHOUT_BOUNDARY" "true" }}{{ end }}
{{- if ne (int $v.managedRoles.maxPerNamespace) 100 }}{{ $_ := set $optional "KUBE_AWS_IAM_MAX_ROLES_PER_NAMESPACE" (int $v.managedRoles.maxPerNamespace | toString) }}{{ end }}
{{- if $v.managedRoles.validatePolicies }}{{ $_ := set $optional "KUBE_AWS_IAM_VALIDATE_POLICIES" "true" }}{{ end }}
{{- if $v.namespaces.restrictions }}{{ $_ := set $optional "KUBE_AWS_IAM_NAMESPACE_RESTRICTIONS" "true" }}{{ end }}
{{- $check := $v.namespaces.requireExternalId }}
{{- /* YAML reads off without quotes as false. */}}
{{- if kindIs "bool" $check }}{{ $check = "off" }}{{ end }}
{{- if ne $check "other-accounts" }}{{ $_ := set $optional "KUBE_AWS_IAM_REQUIRE_EXTERNAL_ID" $check }}{{ end }}
{{- if ne $v.logging.format "logfmt" }}{{ $_ := set $optional "KUBE_AWS_IAM_LOG_FORMAT" $v.logging.format }}{{ end }}
{{- if $v.logging.debug }}{{ $_ := set $optional "KUBE_AWS_IAM_DEBUG" "true" }}{{ end }}
{{- if include "kube-aws-iam-controller.identityMetrics" . }}{{ $_ := set $optional "KUBE_AWS_IAM_INSECURE_IDENTITY_METRICS" "true" }}{{ end }}
{{- range $name, $value := $optional }}
{{- if $value }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
KUBE_AWS_IAM_DEFAULT_REGION: {{ include "kube-aws-iam-controller.defaultRegion" . | quote }}
KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE: {{ include "kube-aws-iam-controller.sidecarImage" . | quote }}
KUBE_AWS_IAM_CREDENTIALS_SERVER_IMAGE_PULL_POLICY: {{ include "kube-aws-iam-controller.sidecarPullPolicy" . | quote }}
KUBE_AWS_IAM_CREDENTIALS_SERVER_REQUESTS: {{ include "kube-aws-iam-controller.sidecarRequests" . | quote }}
KUBE_AWS_IAM_CREDENTIALS_SERVER_LIMITS: {{ include "kube-aws-iam-controller.sidecarLimits" . | quote }}
KUBE_AWS_IAM_CREDENTIALS_SERVER_SECURITY_CONTEXT: {{ include "kube-aws-iam-controller.sidecarSecurityContext" . | quote }}
KUBE_AWS_IAM_IRSA_ANNOTATIONS: {{ include "kube-aws-iam-controller.irsaAnnotations" . | quote }}
{{- end }}
