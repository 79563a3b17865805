package awssim

import (
	"encoding/xml"
	"fmt"
	"net/http"
)

// apiError is an error response.
type apiError struct {
	status        int
	code, message string
}

func newError(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

// dropped stands for a connection closed without a response.
var dropped = &apiError{code: "(dropped)"}

// Errors of more than one action.

func noSuchRole(name string) *apiError {
	return newError(http.StatusNotFound, "NoSuchEntity", fmt.Sprintf("The role with name %s cannot be found.", name))
}

func invalid(format string, args ...any) *apiError {
	return newError(http.StatusBadRequest, "ValidationError", fmt.Sprintf(format, args...))
}

func malformed(message string) *apiError {
	return newError(http.StatusBadRequest, "MalformedPolicyDocument", message)
}

func limitExceeded(message string) *apiError {
	return newError(http.StatusConflict, "LimitExceeded", message)
}

func deleteConflict(message string) *apiError {
	return newError(http.StatusConflict, "DeleteConflict", "Cannot delete entity, "+message)
}

func accessDenied(caller *principal, action, resource string) *apiError {
	return newError(http.StatusForbidden, "AccessDenied",
		fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", caller.arn, action, resource))
}

type errorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Error     struct {
		Type    string `xml:"Type"`
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	} `xml:"Error"`
	RequestID string `xml:"RequestId"`
}

func writeError(w http.ResponseWriter, version string, e *apiError) {
	response := errorResponse{Namespace: xmlNamespace(version), RequestID: requestID()}
	response.Error.Type, response.Error.Code, response.Error.Message = "Sender", e.code, e.message
	if e.status >= http.StatusInternalServerError {
		response.Error.Type = "Receiver"
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.status)
	_ = xml.NewEncoder(w).Encode(response)
}

func xmlNamespace(version string) string {
	if version == stsVersion {
		return "https://sts.amazonaws.com/doc/2011-06-15/"
	}
	return "https://iam.amazonaws.com/doc/2010-05-08/"
}

// writeResult writes <ActionResponse><ActionResult>…. Actions without output have no result
// element.
func writeResult(w http.ResponseWriter, version, action string, result any) {
	w.Header().Set("Content-Type", "text/xml")
	e := xml.NewEncoder(w)
	root := xml.StartElement{
		Name: xml.Name{Local: action + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: xmlNamespace(version)}},
	}
	metadata := struct {
		RequestID string `xml:"RequestId"`
	}{requestID()}
	_ = e.EncodeToken(root)
	if result != nil {
		_ = e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}})
	}
	_ = e.EncodeElement(metadata, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}})
	_ = e.EncodeToken(root.End())
	_ = e.Flush()
}
