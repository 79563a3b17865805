package awssim

import (
	"fmt"
	"maps"
	"strings"
)

// Allows reports whether the identity policies, the permissions boundary and the session
// policy of an access key's principal allow an action of any service on a resource. It does not perform the
// action, and knows no resource policies. values has condition keys such as
// aws:ResourceTag/team or s3:prefix; keys of the principal are rejected.
func (s *Sim) Allows(accessKeyID, action, resource string, values map[string]string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.keys[accessKeyID]
	if key == nil || !key.expires.IsZero() && !s.now().Before(key.expires) {
		return false, fmt.Errorf("there is no access key %s, or it has expired", accessKeyID)
	}
	q := &request{Sim: s, now: s.now(), caller: key.principal}
	known := facts{}
	for name, value := range values {
		known[strings.ToLower(name)] = []string{value}
	}
	for name := range known {
		if strings.HasPrefix(name, "aws:principal") {
			return false, fmt.Errorf("%s is the caller's own", name)
		}
	}
	maps.Copy(known, q.facts())
	return q.grants(q.caller, action, resource, known, q.visible) == allowed, nil
}
