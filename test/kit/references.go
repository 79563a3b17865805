package kit

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"kube-aws-iam-controller/test/cluster"
)

// SecretReferences are all that a pod can refer to a Secret by, by JSON path. Each makes a pod do so.
var SecretReferences = map[string]func(*corev1.PodSpec, string){
	"imagePullSecrets.name": func(s *corev1.PodSpec, secret string) {
		s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: secret}}
	},
	"containers.env.valueFrom.secretKeyRef.name": func(s *corev1.PodSpec, secret string) {
		s.Containers[0].Env = SecretVariable(secret)
	},
	"containers.envFrom.secretRef.name": func(s *corev1.PodSpec, secret string) { s.Containers[0].EnvFrom = SecretVariables(secret) },
	"initContainers.env.valueFrom.secretKeyRef.name": func(s *corev1.PodSpec, secret string) {
		s.InitContainers = []corev1.Container{{Name: "init", Image: "registry.example/app", Env: SecretVariable(secret)}}
	},
	"initContainers.envFrom.secretRef.name": func(s *corev1.PodSpec, secret string) {
		s.InitContainers = []corev1.Container{{Name: "init", Image: "registry.example/app", EnvFrom: SecretVariables(secret)}}
	},
	"ephemeralContainers.env.valueFrom.secretKeyRef.name": func(s *corev1.PodSpec, secret string) {
		s.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debugger", Image: "registry.example/debugger", Env: SecretVariable(secret),
		}}}
	},
	"ephemeralContainers.envFrom.secretRef.name": func(s *corev1.PodSpec, secret string) {
		s.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debugger", Image: "registry.example/debugger", EnvFrom: SecretVariables(secret),
		}}}
	},
	"volumes.secret.secretName": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.Secret = &corev1.SecretVolumeSource{SecretName: secret}
	}),
	"volumes.projected.sources.secret.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.Projected = &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{DownwardAPI: &corev1.DownwardAPIProjection{}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: reference(secret)}},
		}}
	}),
	"volumes.azureFile.secretName": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.AzureFile = &corev1.AzureFileVolumeSource{SecretName: secret, ShareName: "share"}
	}),
	"volumes.cephfs.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.CephFS = &corev1.CephFSVolumeSource{Monitors: []string{"m"}, SecretRef: new(reference(secret))}
	}),
	"volumes.cinder.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.Cinder = &corev1.CinderVolumeSource{VolumeID: "v", SecretRef: new(reference(secret))}
	}),
	"volumes.csi.nodePublishSecretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.CSI = &corev1.CSIVolumeSource{Driver: "csi.example.com", NodePublishSecretRef: new(reference(secret))}
	}),
	"volumes.flexVolume.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.FlexVolume = &corev1.FlexVolumeSource{Driver: "example.com/flex", SecretRef: new(reference(secret))}
	}),
	"volumes.iscsi.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.ISCSI = &corev1.ISCSIVolumeSource{TargetPortal: "127.0.0.1", IQN: "iqn.2015-02.example.com:test", SecretRef: new(reference(secret))}
	}),
	"volumes.rbd.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.RBD = &corev1.RBDVolumeSource{CephMonitors: []string{"m"}, RBDImage: "i", SecretRef: new(reference(secret))}
	}),
	"volumes.scaleIO.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.ScaleIO = &corev1.ScaleIOVolumeSource{Gateway: "g", System: "s", VolumeName: "v", SecretRef: new(reference(secret))}
	}),
	"volumes.storageos.secretRef.name": SecretVolume(func(v *corev1.VolumeSource, secret string) {
		v.StorageOS = &corev1.StorageOSVolumeSource{VolumeName: "v", SecretRef: new(reference(secret))}
	}),
}

// SecretVolume makes a pod have a volume that refers to a Secret.
func SecretVolume(set func(*corev1.VolumeSource, string)) func(*corev1.PodSpec, string) {
	return func(s *corev1.PodSpec, secret string) {
		v := corev1.Volume{Name: "v"}
		set(&v.VolumeSource, secret)
		s.Volumes = []corev1.Volume{v}
	}
}

func reference(secret string) corev1.LocalObjectReference {
	return corev1.LocalObjectReference{Name: secret}
}

// SecretVariable returns environment variables, the second of which is from a Secret.
func SecretVariable(secret string) []corev1.EnvVar {
	return []corev1.EnvVar{{Name: "PLAIN", Value: "x"}, {Name: "V", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: reference(secret), Key: "credentials"},
	}}}
}

// SecretVariables returns sources of environment variables, the second of which is a Secret.
func SecretVariables(secret string) []corev1.EnvFromSource {
	return []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: reference("settings")}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: reference(secret)}},
	}
}

// Refer creates a pod of a ServiceAccount with what refer adds to it, and stores nothing. A debugger is attached to a pod
// without, which is stored, under the name of the ServiceAccount.
func Refer(ctx context.Context, pods typedcorev1.PodInterface, account string, refer func(*corev1.PodSpec)) error {
	dry := []string{metav1.DryRunAll}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "new"}, Spec: corev1.PodSpec{
		ServiceAccountName: account, Containers: []corev1.Container{{Name: "app", Image: "registry.example/app"}},
	}}
	refer(&pod.Spec)
	if pod.Spec.EphemeralContainers == nil {
		_, err := pods.Create(ctx, pod, metav1.CreateOptions{DryRun: dry})
		return err
	}
	debuggers := pod.Spec.EphemeralContainers
	pod.Name, pod.Spec.EphemeralContainers = account, nil
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	made, err := pods.Get(ctx, account, metav1.GetOptions{})
	if err != nil {
		return err
	}
	made.Spec.EphemeralContainers = debuggers
	_, err = pods.UpdateEphemeralContainers(ctx, account, made, metav1.UpdateOptions{DryRun: dry})
	return err
}

// LetDebug gives the tenant of a namespace what kubectl debug takes, which edit does not include.
func LetDebug(ctx context.Context, access *cluster.Access, namespace string) error {
	_, roleErr := access.Kubectl(ctx, "create", "role", "debug", "-n", namespace, "--verb=update,patch", "--resource=pods/ephemeralcontainers")
	_, bindingErr := access.Kubectl(ctx, "create", "rolebinding", "debug", "-n", namespace, "--role=debug", "--user="+cluster.Tenant(namespace))
	return errors.Join(roleErr, bindingErr)
}
