package installation

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"kube-aws-iam-controller/internal/config"
)

// environment returns the environment variables of a container that hold settings. Later
// sources win over earlier ones, and env over envFrom, as in the kubelet. Secrets are not
// read: no setting is a secret.
func environment(ctx context.Context, client kubernetes.Interface, namespace string, container *corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, source := range container.EnvFrom {
		if source.ConfigMapRef == nil {
			continue
		}
		data, err := configMap(ctx, client, namespace, source.ConfigMapRef)
		if err != nil {
			return nil, err
		}
		for key, value := range data {
			env[source.Prefix+key] = value
		}
	}
	for _, variable := range container.Env {
		switch from := variable.ValueFrom; {
		case from == nil:
			env[variable.Name] = variable.Value
		case from.FieldRef != nil && from.FieldRef.FieldPath == "metadata.namespace":
			env[variable.Name] = namespace
		case strings.HasPrefix(variable.Name, config.EnvPrefix+"_"):
			return nil, fmt.Errorf("its setting %s is neither a value nor in the ConfigMap of all settings", variable.Name)
		}
	}
	return env, nil
}

// configMap returns the data of a ConfigMap. One that is optional may be missing.
func configMap(ctx context.Context, client kubernetes.Interface, namespace string, ref *corev1.ConfigMapEnvSource) (map[string]string, error) {
	found, err := client.CoreV1().ConfigMaps(namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	switch {
	case err == nil:
		return found.Data, nil
	case apierrors.IsNotFound(err) && ref.Optional != nil && *ref.Optional:
		return nil, nil
	default:
		return nil, fmt.Errorf("read its settings: %w", err)
	}
}
