package awssim

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// PodIdentity describes a pod and its association in EKS Pod Identity.
type PodIdentity struct {
	Account, Role                       string
	Cluster                             string
	Namespace, ServiceAccount, Pod, UID string
	Lifetime                            time.Duration
	// DisableSessionTags is the setting of the association.
	DisableSessionTags bool
}

// tags returns the session tags that Pod Identity adds,
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html.
func (p PodIdentity) tags(partition string) []tag {
	if p.DisableSessionTags {
		return nil
	}
	return []tag{
		{Key: "eks-cluster-arn", Value: "arn:" + partition + ":eks:eu-central-1:" + p.Account + ":cluster/" + p.Cluster},
		{Key: "eks-cluster-name", Value: p.Cluster},
		{Key: "kubernetes-namespace", Value: p.Namespace},
		{Key: "kubernetes-service-account", Value: p.ServiceAccount},
		{Key: "kubernetes-pod-name", Value: p.Pod},
		{Key: "kubernetes-pod-uid", Value: p.UID},
	}
}

// PodIdentityCredentials issues a session with the transitive session tags of EKS Pod
// Identity.
func (s *Sim) PodIdentityCredentials(pod PodIdentity) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.account(pod.Account).roles[strings.ToLower(pod.Role)].latest()
	if r == nil {
		return aws.Credentials{}, fmt.Errorf("no role %s in account %s", pod.Role, pod.Account)
	}
	name := "eks-" + pod.Cluster + "-" + pod.Pod + "-" + requestID()
	name = name[:min(len(name), maxSessionName)]
	p := &principal{
		account: pod.Account, arn: s.arn("sts", pod.Account, "assumed-role/"+r.name+"/"+name),
		entity: r.arn, id: r.id, roleName: r.name, sessionName: name, tags: pod.tags(s.partition),
	}
	for _, t := range p.tags {
		p.transitive = append(p.transitive, foldKey(t.Key))
	}
	key := s.newSession(p, s.now().Add(pod.Lifetime))
	return aws.Credentials{
		AccessKeyID: key.id, SecretAccessKey: key.secret, SessionToken: key.token, CanExpire: true, Expires: key.expires,
	}, nil
}

// maxSessionName is the maximum length of a session name.
const maxSessionName = 64
