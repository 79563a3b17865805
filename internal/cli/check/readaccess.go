package check

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var selfReview = &authenticationv1.SelfSubjectReview{}

// reviewsAtOnce limits the reviews in flight.
const reviewsAtOnce = 10

// readRights asks what the controller's ServiceAccount may do.
func (r *reader) readRights(ctx context.Context) {
	if len(r.facts.controllers.value) == 0 && !r.facts.own {
		return
	}
	rights, err := needed(&r.settings, r.home)
	if err != nil {
		r.facts.missing.err = err
		return
	}
	review := r.reviewController
	if r.facts.own {
		review = r.reviewSelf
	}
	r.facts.count = len(rights)
	r.facts.missing.value, r.facts.missing.err = denied(ctx, rights, review)
}

// readInstaller asks whether the user may install the controller.
func (r *reader) readInstaller(ctx context.Context) {
	objects, err := shipped("prerequisites/*.yaml", "controller/*.yaml", "components/admission-policy/*.yaml", "components/guard/*.yaml")
	if err != nil {
		r.facts.cannot.err = err
		return
	}
	r.facts.cannot.value, r.facts.cannot.err = denied(ctx, installing(objects, r.home), r.reviewSelf)
}

type review func(ctx context.Context, attributes *authorizationv1.ResourceAttributes) (bool, error)

func (r *reader) reviewSelf(ctx context.Context, attributes *authorizationv1.ResourceAttributes) (bool, error) {
	answered, err := r.clients.Core.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answered.Status.Allowed, nil
}

func (r *reader) reviewController(ctx context.Context, attributes *authorizationv1.ResourceAttributes) (bool, error) {
	answered, err := r.clients.Core.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			ResourceAttributes: attributes, User: serviceAccountPrefix + r.home + ":" + r.name,
			Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + r.home, "system:authenticated"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return answered.Status.Allowed, nil
}

// denied returns the rights that are not allowed, in their order.
func denied(ctx context.Context, rights []right, allowed review) ([]right, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reviewsAtOnce)
	var mu sync.Mutex
	not := map[right]bool{}
	for _, each := range rights {
		group.Go(func() error {
			may, err := allowed(ctx, &authorizationv1.ResourceAttributes{
				Verb: each.verb, Group: each.group, Resource: each.resource, Subresource: each.subresource, Namespace: each.namespace, Name: each.name,
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && !may {
				not[each] = true
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var missing []right
	for _, each := range rights {
		if not[each] {
			missing = append(missing, each)
		}
	}
	return missing, nil
}
