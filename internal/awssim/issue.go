package awssim

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"
)

// Sizes of issued credentials. In AWS, session tokens have no fixed size.
const (
	keyIDLength  = 20
	secretBytes  = 30 // 40 characters
	sessionBytes = 420
)

// sessionLength returns the duration of a session.
func (q *request) sessionLength(r *role, a assumption) (time.Duration, *apiError) {
	seconds := a.duration
	if seconds == 0 {
		seconds = defaultSession
	}
	if q.caller.roleName != "" && seconds > maxChained {
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	if seconds > r.maxSession {
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if session := q.faults.session(); session > 0 {
		return session, nil
	}
	return time.Duration(seconds) * time.Second, nil
}

func (q *request) issue(r *role, a assumption, duration time.Duration, packed int) assumedRole {
	p := &principal{
		account: a.account,
		arn:     q.arn("sts", a.account, "assumed-role/"+r.name+"/"+a.session),
		entity:  r.arn, id: r.id, roleName: r.name, sessionName: a.session, source: a.source,
		transitive: slices.Concat(q.caller.transitive, a.transitive),
		tags:       slices.Concat(q.inheritedTags(), a.tags),
		policy:     a.policy,
	}
	key := q.newSession(p, q.now.Add(duration))

	var out assumedRole
	out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey = key.id, key.secret
	out.Credentials.SessionToken, out.Credentials.Expiration = key.token, key.expires.UTC().Format(time.RFC3339)
	out.AssumedRoleUser.AssumedRoleID, out.AssumedRoleUser.Arn = p.userID(), p.arn
	out.SourceIdentity, out.PackedPolicySize = a.source, packed
	return out
}

// newSession issues temporary credentials.
func (s *Sim) newSession(p *principal, expires time.Time) *accessKey {
	key := &accessKey{
		id: newID("ASIA", keyIDLength), secret: randomText(secretBytes), token: "IQoJ" + randomText(sessionBytes),
		expires: expires.Truncate(time.Second), principal: p,
	}
	s.keys[key.id] = key
	s.journal.issue(key.id, key.secret, key.token)
	return key
}

func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
