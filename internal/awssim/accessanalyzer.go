package awssim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The one action of IAM Access Analyzer, in the REST-JSON protocol:
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicy.html.
const (
	validatePolicyPath   = "/policy/validation"
	validatePolicyAction = "ValidatePolicy"
	analyzerService      = "access-analyzer"
)

// finding is one, with the path of what it is about.
type finding struct {
	Details   string            `json:"findingDetails"`
	Type      string            `json:"findingType"`
	Code      string            `json:"issueCode"`
	More      string            `json:"learnMoreLink"`
	Locations []findingLocation `json:"locations"`
}

type findingLocation struct {
	Path []map[string]any `json:"path"`
	Span map[string]any   `json:"span"`
}

// serveAnalyzer answers a request to IAM Access Analyzer.
func (s *Sim) serveAnalyzer(w http.ResponseWriter, r *http.Request, body []byte) {
	q := &request{Sim: s, service: analyzerService, action: validatePolicyAction, received: s.now()}
	findings, failure := s.analyze(r, body, q)
	s.journal.record(q, failure)
	if failure == dropped {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	if failure != nil {
		w.Header().Set("X-Amzn-Errortype", failure.code)
		w.WriteHeader(failure.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": failure.message})
		return
	}
	page, answer := s.pageOf(r, findings), map[string]any{}
	answer["findings"] = findings[page.from:page.to]
	if page.to < len(findings) {
		answer["nextToken"] = strconv.Itoa(page.to)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

type span struct{ from, to int }

func (s *Sim) pageOf(r *http.Request, findings []finding) span {
	from, _ := strconv.Atoi(r.URL.Query().Get("nextToken"))
	from = min(max(from, 0), len(findings))
	return span{from, min(from+s.pageSize, len(findings))}
}

func (s *Sim) analyze(r *http.Request, body []byte, q *request) ([]finding, *apiError) {
	fault := s.faults.next(q.action)
	if !fault.delay(r.Context()) {
		return nil, dropped
	}
	if fault.refuse != nil {
		return nil, fault.refuse
	}
	if fault.drop { // it has no effect anyway
		return nil, dropped
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q.now = s.now()
	var failure *apiError
	if q.caller, failure = s.authenticate(r, body, q); failure != nil {
		return nil, failure
	}
	const action = analyzerService + ":" + validatePolicyAction
	if s.grants(q.caller, action, "*", q.facts(), q.visible) != allowed {
		return nil, newError(http.StatusForbidden, "AccessDeniedException", "User: "+q.caller.arn+" is not authorized to perform: "+action)
	}
	var input struct {
		Document string `json:"policyDocument"`
		Type     string `json:"policyType"`
	}
	if json.Unmarshal(body, &input) != nil || input.Document == "" || !slices.Contains([]string{"IDENTITY_POLICY", "RESOURCE_POLICY"}, input.Type) {
		return nil, newError(http.StatusBadRequest, "ValidationException", "Invalid policyDocument or policyType.")
	}
	return analyzeDocument(input.Document), nil
}

// analyzeDocument has a few of the real findings:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html.
func analyzeDocument(text string) []finding {
	d, err := parseDocument(text)
	if err != nil {
		return []finding{newFinding("ERROR", "JSON_SYNTAX_ERROR", "Fix the JSON syntax error.", -1, "")}
	}
	all := []finding{}
	for i := range d.statements {
		all = append(all, analyzeStatement(&d.statements[i], i)...)
	}
	return all
}

func analyzeStatement(st *statement, i int) (all []finding) {
	star := slices.Contains(st.Resource, "*") && st.Effect == "Allow"
	for _, action := range st.Action {
		service, name, _ := strings.Cut(action, ":")
		switch {
		case strings.EqualFold(action, "iam:PassRole") && star:
			all = append(all, newFinding("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_RESOURCE",
				"Using wildcards (*) in the resource can be overly permissive because it allows iam:PassRole permissions on multiple resources.", i, "Action"))
		case service == "s3" && name == "GetObjekt":
			all = append(all, newFinding("ERROR", "INVALID_ACTION", "The action "+action+" does not exist.", i, "Action"))
		}
	}
	if len(st.Action) > 1 && slices.Contains(st.Action, "*") {
		all = append(all, newFinding("SUGGESTION", "REDUNDANT_ACTION", "The actions are redundant because they provide similar permissions.", i, "Action"))
	}
	return all
}

func newFinding(kind, code, details string, statement int, element string) finding {
	at := map[string]any{"line": 1, "column": 0, "offset": 0}
	f := finding{Details: details, Type: kind, Code: code, More: "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"}
	location := findingLocation{Path: []map[string]any{}, Span: map[string]any{"start": at, "end": at}}
	if statement >= 0 {
		location.Path = []map[string]any{{"value": "Statement"}, {"index": statement}, {"value": element}}
	}
	f.Locations = []findingLocation{location}
	return f
}
