package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/config"
	"kube-aws-iam-controller/internal/identity"
	"kube-aws-iam-controller/internal/kube"
	"kube-aws-iam-controller/internal/logging"
	"kube-aws-iam-controller/internal/secrets"
	"kube-aws-iam-controller/internal/sts"
)

// seeder writes the first credentials of a controller.
type seeder struct {
	config config.Config
	// key is the object that requests the controller's role.
	key identity.Key
	// admin is whoever runs the command.
	admin *kube.Clients
	// controller reads and writes as the controller itself, whom the administrator
	// impersonates: the guard lets nobody else write such Secrets.
	controller *controller
	aws        aws.Config
	assumer    *sts.Assumer
}

// newSeeder makes no request.
func newSeeder(version string, cfg config.Config, stderr io.Writer) (*seeder, error) {
	key, err := cfg.SeedKey()
	if err != nil {
		return nil, err
	}
	cfg.Namespace = key.Namespace
	logger := level.NewFilter(log.NewLogfmtLogger(log.NewSyncWriter(stderr)), level.AllowWarn())
	logging.RedirectKlog(logger, false)
	options := kube.Options{
		Kubeconfig: cfg.Kubeconfig, APIServer: cfg.APIServer, ByUser: true, QPS: cfg.KubeAPIQPS,
		UserAgent: name + "/" + version, Logger: logger,
	}
	admin, err := kube.Connect(options)
	if err != nil {
		return nil, err
	}
	options.Impersonate = controllerUser(key)
	clients, err := kube.Connect(options)
	if err != nil {
		return nil, err
	}
	return &seeder{
		config: cfg, key: key, admin: admin,
		controller: &controller{config: cfg, logger: logger, clients: clients},
	}, nil
}

// controllerUser returns the user name of the controller's ServiceAccount. The Secret of
// a ServiceAccount is for pods that run as it, so that is the controller's; an AWSIAMRole
// says nothing of who that is.
func controllerUser(key identity.Key) string {
	account := api.ControllerName
	if key.Source == identity.ServiceAccount {
		account = key.Name
	}
	return "system:serviceaccount:" + key.Namespace + ":" + account
}

// look returns what the object requests, and what there is of its Secret.
func (s *seeder) look(ctx context.Context) (identity.Desired, secrets.Standing, error) {
	want, err := s.desired(ctx)
	if err != nil {
		return identity.Desired{}, secrets.Standing{}, err
	}
	have, err := s.store().Standing(ctx, *want)
	return *want, have, err
}

// desired returns what the object requests, read as the controller reads it.
func (s *seeder) desired(ctx context.Context) (*identity.Desired, error) {
	if err := s.find(ctx); err != nil {
		return nil, err
	}
	sources, _, err := s.controller.openSources()
	if err != nil {
		return nil, err
	}
	if err = s.fillCaches(ctx); err != nil {
		return nil, err
	}
	want, err := sources[s.key.Source].Desired(s.key)
	switch {
	case err != nil:
		return nil, err
	case want == nil || want.Managed != nil:
		return nil, fmt.Errorf("%s requests no existing role: annotate it with %s: <ARN of the controller's own role>", s.key, api.RoleAnnotation)
	default:
		return want, nil
	}
}

// find returns an error that says what is missing if the object cannot be read.
func (s *seeder) find(ctx context.Context) error {
	if err := s.get(ctx, s.admin); apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no %s: install the controller first, with this object, which has to request the controller's own role", s.key)
	}
	err := s.get(ctx, s.controller.clients)
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w: this command acts as the controller, so you have to be allowed to impersonate %s, and the controller's RBAC rules have to be installed",
			err, controllerUser(s.key))
	}
	return err
}

func (s *seeder) get(ctx context.Context, as *kube.Clients) (err error) {
	if s.key.Source == identity.ServiceAccount {
		_, err = as.Core.CoreV1().ServiceAccounts(s.key.Namespace).Get(ctx, s.key.Name, metav1.GetOptions{})
	} else {
		_, err = as.Roles.Namespace(s.key.Namespace).Get(ctx, s.key.Name, metav1.GetOptions{})
	}
	return err
}

// fillCaches lists the objects and Secrets of the namespace.
func (s *seeder) fillCaches(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.controller.fillCaches(ctx, s.key.Source) {
		return errors.New("the objects of the namespace " + s.key.Namespace + " cannot be listed as " + controllerUser(s.key))
	}
	return nil
}

func (s *seeder) store() *secrets.Store { return s.controller.store }
