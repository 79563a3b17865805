package chart

// A source is a file of manifests/ whose objects the chart has as well.
type source struct {
	path  string // within manifests
	when  string // condition of a template
	edits []edit
}

// An edit puts the chart's values into a copy. Its pattern has to be found.
type edit struct{ pattern, with string }

// Conditions of the templates.
const (
	cluster   = `not .Values.namespaces.only`
	namespace = `.Values.namespaces.only`
	policy    = `eq (include "kube-aws-iam-controller.admission" .) "policy"`
	webhook   = `eq (include "kube-aws-iam-controller.admission" .) "webhook"`
	guard     = `and .Values.guard.enabled (not .Values.namespaces.only)`
	rules     = `and .Values.namespaces.protectRules (not .Values.namespaces.only)`
	authentic = `and .Values.metrics.authentication.enabled (not .Values.namespaces.only)`
)

const accountName = `{{ include "kube-aws-iam-controller.serviceAccountName" . }}`

var (
	// Objects of kube-system, and subjects there.
	home = edit{`(?m)^( +)namespace: kube-system$`, `${1}namespace: {{ .Release.Namespace }}`}
	// Subjects of manifests/namespaced, whose namespace kustomize puts in.
	subjectHome = edit{`(?m)^    namespace: default( #.*)?$`, `    namespace: {{ .Release.Namespace }}`}
	// Objects of the namespace that is served.
	served = edit{`(?m)^metadata:\n  name: (\S+)$`, "metadata:\n  name: $1\n  namespace: {{ .Values.namespaces.only }}"}
	// The ServiceAccount as a subject.
	account = edit{`(?m)^(  - kind: ServiceAccount\n    name: )kube-aws-iam-controller$`, `${1}` + accountName}

	keep = edit{`(?m)^metadata:$`, `metadata:
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}`}

	writer = edit{
		`'system:serviceaccount:kube-system:kube-aws-iam-controller'`,
		`'system:serviceaccount:{{ .Release.Namespace }}:` + accountName + `'`,
	}
	bound = edit{`endsWith\(':kube-aws-iam-controller'\)`, `endsWith(':` + accountName + `')`}
)

// setting puts an installation's setting into the variable of the policy, in CEL's quotes.
func setting(variable, value string) edit {
	return edit{
		`(?m)^(    - name: ` + variable + `\n      expression: )"'.*'"$`,
		`${1}{{ printf "'%s'" (include "kube-aws-iam-controller.` + value + `" .) | toJson }}`,
	}
}

// sources is all that is copied.
var sources = []source{
	{"prerequisites/crd.yaml", `and .Values.crds.enabled (not .Values.namespaces.only)`, []edit{keep}},
	{"prerequisites/rbac.yaml", cluster, []edit{home, account}},
	{"prerequisites/users.yaml", cluster, nil},
	{"namespaced/runs/rbac.yaml", namespace, []edit{subjectHome, account}},
	{"namespaced/serves/rbac.yaml", namespace, []edit{served, subjectHome, account}},
	{"namespaced/serves/awsiamroles.yaml", `and .Values.namespaces.only .Values.namespaces.awsIAMRoles`, []edit{served, subjectHome, account}},
	{"components/admission-policy/accounts.yaml", policy, nil},
	{"components/admission-policy/mutate.yaml", policy, []edit{
		setting("image", "sidecarImage"), setting("defaultRegion", "defaultRegion"), setting("imagePullPolicy", "sidecarPullPolicy"),
		setting("requests", "sidecarRequests"), setting("limits", "sidecarLimits"), setting("securityContext", "sidecarSecurityContext"),
	}},
	{"components/admission-policy/refuse.yaml", policy, nil},
	{"components/webhook/rbac.yaml", webhook, []edit{home, account}},
	{"components/guard/pods.yaml", guard, nil},
	{"components/guard/writes.yaml", guard, []edit{writer}},
	{"components/guard/controller.yaml", guard, []edit{bound}},
	{"components/namespace-rules/policy.yaml", rules, nil},
	{"components/namespace-rules/clusterrole.yaml", rules, nil},
	{"components/metrics-authentication/rbac.yaml", authentic, []edit{home, account}},
}

// written are the resources of kustomizations that the chart has as templates of its own.
var written = []string{
	"controller/deployment.yaml", "controller/service.yaml", "controller/networkpolicy.yaml",
	"components/webhook/service.yaml", "components/webhook/webhook.yaml",
}
