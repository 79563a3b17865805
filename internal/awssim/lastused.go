package awssim

import "time"

const (
	// lastUsedLag is how long after a request IAM shows that its role was used:
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html.
	lastUsedLag = 4 * time.Hour
	// trackingPeriod is how long IAM knows of the use of a role:
	// https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html.
	trackingPeriod = 400 * 24 * time.Hour
)

// use is one use of a role.
type use struct {
	at     time.Time
	region string
}

// lastUsedShape is the last use of a role in responses. It is empty for a role that was
// not used.
type lastUsedShape struct {
	LastUsedDate string `xml:",omitempty"`
	Region       string `xml:",omitempty"`
}

// recordUse records that a request was signed with the credentials of a session, by the
// unique ID of its role: one that is created again under its name was not used yet.
// Assuming a role is not using it.
func (s *Sim) recordUse(p *principal, region string, now time.Time) {
	if p.roleName == "" {
		return
	}
	uses := s.uses[p.id]
	if n := len(uses); n > 0 && now.Truncate(time.Second).Equal(uses[n-1].at) {
		return // times are in seconds
	}
	shown := now.Add(-s.faults.lastUsedLag())
	for len(uses) > 1 && !uses[1].at.After(shown) {
		uses = uses[1:]
	}
	s.uses[p.id] = append(uses, use{at: now.Truncate(time.Second), region: region})
}

// lastUsed returns the last use of a role that IAM shows by now.
func (q *request) lastUsed(r *role) *lastUsedShape {
	last := &lastUsedShape{}
	shown := q.now.Add(-q.faults.lastUsedLag())
	for _, u := range q.uses[r.id] {
		if !u.at.After(shown) && q.now.Sub(u.at) < trackingPeriod {
			last.LastUsedDate, last.Region = timestamp(u.at), u.region
		}
	}
	return last
}
