package awssim

import (
	"fmt"
	"maps"
	"strings"
)

// Allows says whether the policies of whoever has an access key, the boundary
// among them, allow an action on a resource, of any service. Nothing is done. It
// is what identity policies say: what a policy of the resource grants besides is
// not known here. Values are of condition keys such as aws:ResourceTag/team or
// s3:prefix; those that tell who asks cannot be given.
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
