package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// auditPolicy records who asked for what, once the answer is given and when a watch begins.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// auditFlags writes the policy and returns the flags of kube-apiserver that follow it.
func (c *Cluster) auditFlags() ([]string, error) {
	policy := filepath.Join(c.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, fmt.Errorf("audit policy: %w", err)
	}
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + c.auditLog()}, nil
}

func (c *Cluster) auditLog() string { return filepath.Join(c.LogsDir(), "audit.log") }

// AuditEvents returns all requests so far, with who made each, from a control plane started with Options.Audit. A
// watch appears when it begins (stage ResponseStarted) and again when it ends (stage ResponseComplete).
func (c *Cluster) AuditEvents() ([]auditv1.Event, error) {
	file, err := os.Open(c.auditLog())
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer file.Close()

	var events []auditv1.Event
	for decoder := json.NewDecoder(file); ; {
		var event auditv1.Event
		switch err := decoder.Decode(&event); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // the last line may be half written
			return events, nil
		case err != nil:
			return nil, fmt.Errorf("audit log: %w", err)
		}
		events = append(events, event)
	}
}
