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
	wholeCluster  = `not .Values.namespaces.only`
	oneNamespace  = `.Values.namespaces.only`
	byPolicy      = `include "kube-aws-iam-controller.byPolicy" .`
	bySelfSigned  = `eq (include "kube-aws-iam-controller.certificate" .) "controller"`
	guarded       = `and .Values.guard.enabled (not .Values.namespaces.only)`
	ruled         = `and .Values.namespaces.protectRules (not .Values.namespaces.only)`
	irsaRead      = `and .Values.irsaAnnotations.enabled (not .Values.namespaces.only)`
	authenticated = `and .Values.metrics.authentication.enabled (not .Values.namespaces.only)`
)

const accountName = `{{ include "kube-aws-iam-controller.serviceAccountName" . }}`

var (
	// Objects of kube-system, and subjects there.
	home = edit{`(?m)^( +)namespace: kube-system$`, `${1}namespace: {{ .Release.Namespace }}`}
	// Subjects of manifests/namespaced, whose namespace kustomize puts in.
	subjectHome = edit{`(?m)^    namespace: default( #.*)?$`, `    namespace: {{ .Release.Namespace }}`}
	// Objects of the namespace that it runs in, and of the one that it serves.
	controllerNamespace = edit{`(?m)^metadata:\n  name: (\S+)$`, "metadata:\n  name: $1\n  namespace: {{ .Release.Namespace }}"}
	servedNamespace     = edit{`(?m)^metadata:\n  name: (\S+)$`, "metadata:\n  name: $1\n  namespace: {{ .Values.namespaces.only }}"}
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
	{"prerequisites/rbac.yaml", wholeCluster, []edit{home, account}},
	{"prerequisites/users.yaml", wholeCluster, nil},
	{"namespaced/controller-namespace/rbac.yaml", oneNamespace, []edit{controllerNamespace, subjectHome, account}},
	{"namespaced/served-namespace/rbac.yaml", oneNamespace, []edit{servedNamespace, subjectHome, account}},
	{"namespaced/served-namespace/awsiamroles.yaml", `and .Values.namespaces.only .Values.namespaces.awsIAMRoles`, []edit{servedNamespace, subjectHome, account}},
	{"components/admission-policy/label-serviceaccounts.yaml", byPolicy, []edit{setting("irsaAnnotations", "irsaAnnotations")}},
	{"components/admission-policy/mutate.yaml", byPolicy, []edit{
		setting("image", "sidecarImage"), setting("defaultRegion", "defaultRegion"), setting("imagePullPolicy", "sidecarPullPolicy"),
		setting("requests", "sidecarRequests"), setting("limits", "sidecarLimits"), setting("securityContext", "sidecarSecurityContext"),
		setting("irsaAnnotations", "irsaAnnotations"),
	}},
	{"components/admission-policy/refuse.yaml", byPolicy, nil},
	{"components/webhook/rbac.yaml", bySelfSigned, []edit{home, account}},
	{"components/guard/pods.yaml", guarded, nil},
	{"components/guard/writes.yaml", guarded, []edit{writer}},
	{"components/guard/controller.yaml", guarded, []edit{bound}},
	{"components/irsa-annotations/rbac.yaml", irsaRead, []edit{home, account}},
	{"components/namespace-rules/policy.yaml", ruled, nil},
	{"components/namespace-rules/clusterrole.yaml", ruled, nil},
	{"components/metrics-authentication/rbac.yaml", authenticated, []edit{home, account}},
}

// written are the resources of kustomizations that the chart has as templates of its own, or not at all: the Job that
// releases what there is before the controller is removed is applied once.
var written = []string{
	"controller/deployment.yaml", "controller/service.yaml", "controller/networkpolicy.yaml",
	"components/webhook/service.yaml", "components/webhook/webhook.yaml",
	"components/monitoring/servicemonitor.yaml", "components/monitoring/prometheusrule.yaml",
	"components/uninstall/job.yaml", "components/uninstall/rbac.yaml",
}
