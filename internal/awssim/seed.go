package awssim

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// RoleSpec says what AddRole makes.
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
	// Admin roles may do everything, whatever their policies say.
	Admin bool `json:"admin,omitempty"`
	// ServiceLinked roles cannot be changed.
	ServiceLinked bool `json:"serviceLinked,omitempty"`
}

// AddRole makes a role as if it had been there for long, and returns its ARN.
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

// RemoveRole deletes a role at once, whatever hangs on it.
func (s *Sim) RemoveRole(account, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.account(account).roles, strings.ToLower(name))
}

// AddUser makes an IAM user that may do everything, or what policies say, and
// returns its ARN.
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

// UserCredentials makes an access key of a user.
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

// RoleCredentials makes a session of a role without asking anybody, as an
// instance's metadata service does. What it assumes is chained.
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

// AddManagedPolicy makes a managed policy and returns its ARN. The account
// "aws" is that of AWS's own policies.
func (s *Sim) AddManagedPolicy(account, path, name, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, failure := parseIdentityPolicy(text)
	if failure != nil {
		return "", fmt.Errorf("%s: %s", failure.code, failure.message)
	}
	arn := s.arn("iam", account, "policy"+path+name)
	s.account(account).policies[arn] = d
	return arn, nil
}

// RemoveManagedPolicy deletes a managed policy at once, whatever it is attached to.
func (s *Sim) RemoveManagedPolicy(account, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.account(account).policies, arn)
}

// AddInstanceProfile makes an instance profile that holds a role. Its name may
// have a path before it.
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
