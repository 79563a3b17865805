package awssim

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// RoleSpec describes a role for AddRole.
type RoleSpec struct {
	Account string `json:"account"`
	Path    string `json:"path,omitempty"` // "/" if empty
	Name    string `json:"name"`
	// Trust is the trust policy.
	Trust string `json:"trust"`
	// Policies are inline policies by name.
	Policies map[string]string `json:"policies,omitempty"`
	Boundary string            `json:"boundary,omitempty"`
	// MaxSessionDuration is in seconds, 3600 if 0.
	MaxSessionDuration int               `json:"maxSessionDuration,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
	// Admin allows all actions, regardless of policies.
	Admin bool `json:"admin,omitempty"`
	// ServiceLinked marks a service-linked role, which cannot be modified.
	ServiceLinked bool `json:"serviceLinked,omitempty"`
}

// AddRole creates or replaces a role, without propagation delay, and returns its ARN.
func (s *Sim) AddRole(spec RoleSpec) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &request{Sim: s, now: s.now(), caller: &principal{account: spec.Account}}
	r := &role{
		name: spec.Name, path: spec.Path, id: newID("AROA", 21), boundary: spec.Boundary, maxSession: spec.MaxSessionDuration,
		inline: map[string]*document{}, admin: spec.Admin, linked: spec.ServiceLinked,
	}
	if r.path == "" {
		r.path = "/"
	}
	if r.maxSession == 0 {
		r.maxSession = defaultSession
	}
	failure := first(roleNameRule.check("roleName", r.name), pathRule.check("path", r.path))
	if failure == nil {
		r.trust, failure = q.parseTrust(spec.Trust)
	}
	for name, text := range spec.Policies {
		if failure == nil {
			r.inline[name], failure = parseIdentityPolicy(text)
		}
	}
	if failure != nil {
		return "", fmt.Errorf("%s: %s", failure.code, failure.message)
	}
	for key, value := range spec.Tags {
		r.tags = append(r.tags, tag{Key: key, Value: value})
	}
	r.arn = s.arn("iam", spec.Account, "role"+r.path+r.name)
	s.account(spec.Account).roles[strings.ToLower(r.name)] = &history{versions: []version{{role: r}}}
	return r.arn, nil
}

// RemoveRole deletes a role without propagation delay, regardless of its policies and
// instance profiles.
func (s *Sim) RemoveRole(account, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.account(account).roles, strings.ToLower(name))
}

// AddUser creates an IAM user with all permissions or with policies, and returns its ARN.
func (s *Sim) AddUser(account, name string, admin bool, policies ...string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &user{name: name, id: newID("AIDA", 21), arn: s.arn("iam", account, "user/"+name), admin: admin}
	for _, text := range policies {
		d, failure := parseIdentityPolicy(text)
		if failure != nil {
			return "", fmt.Errorf("%s: %s", failure.code, failure.message)
		}
		u.policies = append(u.policies, d)
	}
	s.account(account).users[name] = u
	return u.arn, nil
}

// UserCredentials issues an access key for a user.
func (s *Sim) UserCredentials(account, name string) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.account(account).users[name]
	if u == nil {
		return aws.Credentials{}, fmt.Errorf("no user %s in account %s", name, account)
	}
	key := &accessKey{id: newID("AKIA", keyIDLength), secret: randomText(secretBytes), principal: &principal{
		account: account, arn: u.arn, entity: u.arn, id: u.id, userName: name,
	}}
	s.keys[key.id] = key
	s.journal.issue(key.id, key.secret)
	return aws.Credentials{AccessKeyID: key.id, SecretAccessKey: key.secret}, nil
}

// RoleCredentials issues a session of a role without authorization, as the instance
// metadata service does. Roles that the session assumes are chained.
func (s *Sim) RoleCredentials(account, name, session string, lifetime time.Duration) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.account(account).roles[strings.ToLower(name)].latest()
	if r == nil {
		return aws.Credentials{}, fmt.Errorf("no role %s in account %s", name, account)
	}
	key := s.newSession(&principal{
		account: account, arn: s.arn("sts", account, "assumed-role/"+r.name+"/"+session),
		entity: r.arn, id: r.id, roleName: r.name, sessionName: session,
	}, s.now().Add(lifetime))
	return aws.Credentials{
		AccessKeyID: key.id, SecretAccessKey: key.secret, SessionToken: key.token, CanExpire: true, Expires: key.expires,
	}, nil
}

// RolesAnywhereCredentials issues a session of a role as IAM Roles Anywhere does for a
// certificate with a common name, which is its source identity:
// https://docs.aws.amazon.com/rolesanywhere/latest/userguide/trust-model.html.
func (s *Sim) RolesAnywhereCredentials(account, name, commonName string, lifetime time.Duration) (aws.Credentials, error) {
	creds, err := s.RoleCredentials(account, name, newID("", serialLength), lifetime)
	if err != nil {
		return creds, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session := s.keys[creds.AccessKeyID].principal
	session.source = commonName
	session.tags = []tag{{Key: "x509Subject/CN", Value: commonName}}
	return creds, nil
}

// serialLength is that of a certificate's serial number, which names the session.
const serialLength = 40

// AddManagedPolicy creates a managed policy, or a new default version of it, and returns
// its ARN. The account "aws" is for AWS managed policies.
func (s *Sim) AddManagedPolicy(account, path, name, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, failure := parseIdentityPolicy(text)
	if failure != nil {
		return "", fmt.Errorf("%s: %s", failure.code, failure.message)
	}
	arn := s.arn("iam", account, "policy"+path+name)
	policies := s.account(account).policies
	if d.version = 1; policies[arn] != nil {
		d.version = policies[arn].version + 1
	}
	policies[arn] = d
	return arn, nil
}

// RemoveManagedPolicy deletes a managed policy, even if it is attached to roles.
func (s *Sim) RemoveManagedPolicy(account, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.account(account).policies, arn)
}

// AddInstanceProfile creates an instance profile with a role. The name may be prefixed with
// a path.
func (s *Sim) AddInstanceProfile(account, pathAndName, roleName string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, name := "/", pathAndName
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		path, name = "/"+name[:i+1], name[i+1:]
	}
	p := &instanceProfile{
		name: name, path: path, id: newID("AIPA", 21), arn: s.arn("iam", account, "instance-profile/"+pathAndName),
		created: s.now(), account: account, roles: []string{roleName},
	}
	s.profiles[account+"/"+name] = p
	return p.arn
}
