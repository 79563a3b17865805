package command

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// ActingAs returns the configuration of clients that act as a user, whom whoever runs the
// command is already, as in a pod of that ServiceAccount, or impersonates: the guard lets
// nobody but the controller write some objects. Users of --as impersonate this one instead.
func (e *Environment) ActingAs(ctx context.Context, user string) (*rest.Config, error) {
	cfg, err := e.REST()
	if err != nil {
		return nil, err
	}
	name, err := whoAmI(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("ask the API server who runs this command: %w", err)
	}
	if name == user {
		return cfg, nil
	}
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user}
	_, err = whoAmI(ctx, cfg)
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("%w: this command acts as the controller, so you have to be allowed to impersonate %s", err, user)
	case err != nil:
		return nil, fmt.Errorf("impersonate %s: %w", user, err)
	}
	return cfg, nil
}

// whoAmI returns the name of the user of cfg. Every authenticated user may ask.
func whoAmI(ctx context.Context, cfg *rest.Config) (string, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return "", err
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return review.Status.UserInfo.Username, nil
}
