package bootstrap

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/awserr"
	"kube-aws-iam-controller/internal/cli/installation"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/serviceaccount"
	"kube-aws-iam-controller/internal/setup"
	"kube-aws-iam-controller/internal/sts"
)

// seeder writes the first credentials of a controller.
type seeder struct {
	config config.Config
	region string
	// key is the object that requests the controller's role.
	key identity.Key
	// user is whoever runs the command.
	user kubernetes.Interface
	// controller is the controller itself, as whom Secrets are read and written: the guard
	// lets nobody else write them.
	controller *kube.Clients
	sources    *setup.Sources
	aws        aws.Config
	assumer    *sts.Assumer
}

// newSeeder finds the controller, and connects as its ServiceAccount.
func (o *options) newSeeder(ctx context.Context, key identity.Key) (*seeder, error) {
	clients, err := o.env.Clients()
	if err != nil {
		return nil, err
	}
	found, err := installation.NewFinder(clients.Core, o.env.Version, o.env.ErrOut).Select(ctx, o.controller, "")
	if errors.Is(err, installation.ErrAbsent) {
		err = fmt.Errorf("%w; install it first: the command needs its ServiceAccount and its rights", err)
	}
	if err != nil {
		return nil, err
	}
	if key.Name == "" {
		key = identity.Key{Source: identity.ServiceAccount, Name: found.Account()}
	}
	key.Namespace = found.Deployment.Namespace
	s := &seeder{key: key, user: clients.Core, region: found.Env["AWS_REGION"]}
	s.config, err = found.Configuration(func(cfg *config.Config) {
		if o.clusterName != "" {
			cfg.ClusterName = o.clusterName
		}
		cfg.Namespace = key.Namespace
	})
	if err != nil {
		return nil, err
	}
	return s, s.connect(ctx, o, found.User())
}

func (s *seeder) connect(ctx context.Context, o *options, user string) error {
	rest, err := o.env.ActingAs(ctx, user)
	if err != nil {
		return err
	}
	s.controller, err = kube.Connect(kube.Options{
		Config: rest, QPS: s.config.KubeAPIQPS, UserAgent: o.env.UserAgent(), Logger: o.env.Logger(),
	})
	if err != nil {
		return err
	}
	s.sources, err = setup.OpenSources(s.config, s.controller, false, s.base)
	return err
}

// look returns what the object requests, and what there is of its Secret.
func (s *seeder) look(ctx context.Context) (identity.Desired, secrets.Standing, error) {
	want, err := s.desired(ctx)
	if err != nil {
		return identity.Desired{}, secrets.Standing{}, err
	}
	have, err := s.sources.Store.Standing(ctx, *want)
	return *want, have, err
}

// desired returns what the object requests, read as the controller reads it.
func (s *seeder) desired(ctx context.Context) (want *identity.Desired, err error) {
	if err = s.find(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.sources.Fill(ctx, s.key.Source) {
		return nil, errors.New("the objects of the namespace " + s.key.Namespace + " cannot be listed as the controller")
	}
	if s.key.Source == identity.ServiceAccount {
		want, err = s.sources.Accounts.Desired(ctx, s.key)
	} else {
		want, err = s.sources.Roles.Desired(ctx, s.key)
	}
	if err == nil && (want == nil || want.Managed != nil) {
		err = fmt.Errorf("%s requests no existing role: annotate it with %s: <ARN of the controller's own role>", s.key, api.RoleAnnotation)
	}
	return want, err
}

// find returns an error that says what is missing if the object cannot be read.
func (s *seeder) find(ctx context.Context) (err error) {
	if s.key.Source == identity.ServiceAccount {
		_, err = s.controller.Metadata.Resource(serviceaccount.Resource).Namespace(s.key.Namespace).Get(ctx, s.key.Name, metav1.GetOptions{})
	} else {
		_, err = s.controller.Roles.Namespace(s.key.Namespace).Get(ctx, s.key.Name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no %s: create it, or name the object that requests the controller's own role", s.key)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w: this command acts as the controller, whose RBAC rules have to be installed", err)
	default:
		return err
	}
}

// base returns what completes role names, for requests that depend on it.
func (s *seeder) base(ctx context.Context) (identity.BaseRole, error) {
	if err := s.useAWS(ctx); err != nil {
		return identity.BaseRole{}, err
	}
	return s.assumer.Base(ctx)
}

// useAWS makes what assumes roles with the credentials of whoever runs the command.
func (s *seeder) useAWS(ctx context.Context) (err error) {
	if s.assumer != nil {
		return nil
	}
	if s.aws, err = sts.LoadConfig(ctx, sts.ConfigOptions{Region: s.region}); err != nil {
		return err
	}
	options := setup.SessionOptions(s.config, s.key.Namespace)
	options.AssumeRole = "" // that is for the controller to assume
	s.assumer, err = sts.New(s.aws, options)
	return err
}

// assume returns credentials for the controller. They are of a session that the role
// gave itself, as each later one will be: a role that refuses itself would leave the
// controller without credentials within the hour, when nobody looks.
func (s *seeder) assume(ctx context.Context, want identity.Desired) (identity.Credentials, error) {
	first, err := s.assumer.Assume(ctx, want)
	if err != nil {
		return first, fmt.Errorf("assume the controller's role: %w", awserr.ForCommand(err))
	}
	options := setup.SessionOptions(s.config, s.key.Namespace)
	options.ControllerRoleARN = first.RoleARN
	itself, err := sts.New(sts.As(s.aws, first), options)
	if err != nil {
		return first, err
	}
	creds, err := itself.Assume(ctx, want)
	if err != nil {
		return creds, fmt.Errorf("assume the controller's role with its own session, as the controller will; nothing was written: %w. "+
			"The trust policy of the role has to allow the role itself", awserr.WithoutRetry(err))
	}
	return creds, nil
}

// write stores the credentials as the controller does.
func (s *seeder) write(ctx context.Context, want identity.Desired, have secrets.Standing, creds identity.Credentials) error {
	if have.Seed != nil {
		return s.sources.Store.ReplaceSeed(ctx, s.user.CoreV1().Secrets(want.Namespace), want, have.Seed, creds)
	}
	_, _, err := s.sources.Store.Apply(ctx, want, creds)
	return err
}
