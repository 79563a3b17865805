package rights

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kube-aws-iam-controller/test/cluster"
	"kube-aws-iam-controller/test/kit"
)

// measuring is what a controller does that has metrics for those alone who may read them.
var measuring = []step{
	{"metrics are for those who may read them", "", (*world).measures},
	{"who may read metrics reads them", "metrics are for those who may read them", (*world).isMeasured},
}

func (w *world) measures(ctx context.Context) (err error) {
	if w.metrics, err = cluster.FreePort(ctx); err != nil {
		return err
	}
	if err = w.account(ctx, w.served, "scraper"); err != nil {
		return err
	}
	rbac, meta := w.Client().RbacV1(), metav1.ObjectMeta{Name: "scraper-" + w.own}
	w.t.Cleanup(func() {
		_ = rbac.ClusterRoleBindings().Delete(context.Background(), meta.Name, metav1.DeleteOptions{})
		_ = rbac.ClusterRoles().Delete(context.Background(), meta.Name, metav1.DeleteOptions{})
	})
	if _, err = rbac.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: w.toScrape()}, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "scraper", Namespace: w.served}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return w.start(ctx, "--metrics-secure-listen-address=127.0.0.1:"+strconv.Itoa(w.metrics))
}

// toScrape is what is shipped for those who scrape.
func (w *world) toScrape() []rbacv1.PolicyRule {
	objects := w.set.render(w.t)
	for i := range objects {
		if objects[i].GetName() == "kube-aws-iam-controller-metrics-reader" {
			var role rbacv1.ClusterRole
			decode(w.t, &objects[i], &role)
			return role.Rules
		}
	}
	return nil
}

func (w *world) isMeasured(ctx context.Context) error {
	return kit.Eventually(ctx, within, func(ctx context.Context) error {
		// A new one each time, of which nothing is known.
		token, err := w.Client().CoreV1().ServiceAccounts(w.served).CreateToken(ctx, "scraper", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1:"+strconv.Itoa(w.metrics)+"/metrics", http.NoBody)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token.Status.Token)
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("metrics: %s", resp.Status)
		}
		return nil
	})
}
