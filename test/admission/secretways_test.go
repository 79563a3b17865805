package admission

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

// ways are all that a pod can refer to a Secret by, by JSON path. Each makes a pod do so.
var ways = map[string]func(*corev1.PodSpec, string){
	"imagePullSecrets.name": func(s *corev1.PodSpec, secret string) {
		s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: secret}}
	},
	"containers.env.valueFrom.secretKeyRef.name": func(s *corev1.PodSpec, secret string) {
		s.Containers[0].Env = variable(secret)
	},
	"containers.envFrom.secretRef.name": func(s *corev1.PodSpec, secret string) { s.Containers[0].EnvFrom = variables(secret) },
	"initContainers.env.valueFrom.secretKeyRef.name": func(s *corev1.PodSpec, secret string) {
		s.InitContainers = []corev1.Container{{Name: "init", Image: "registry.example/app", Env: variable(secret)}}
	},
	"initContainers.envFrom.secretRef.name": func(s *corev1.PodSpec, secret string) {
		s.InitContainers = []corev1.Container{{Name: "init", Image: "registry.example/app", EnvFrom: variables(secret)}}
	},
	"ephemeralContainers.env.valueFrom.secretKeyRef.name": func(s *corev1.PodSpec, secret string) {
		s.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debugger", Image: "registry.example/debugger", Env: variable(secret),
		}}}
	},
	"ephemeralContainers.envFrom.secretRef.name": func(s *corev1.PodSpec, secret string) {
		s.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: "debugger", Image: "registry.example/debugger", EnvFrom: variables(secret),
		}}}
	},
	"volumes.secret.secretName": volume(func(v *corev1.VolumeSource, secret string) {
		v.Secret = &corev1.SecretVolumeSource{SecretName: secret}
	}),
	"volumes.projected.sources.secret.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.Projected = &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{DownwardAPI: &corev1.DownwardAPIProjection{}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: reference(secret)}},
		}}
	}),
	"volumes.azureFile.secretName": volume(func(v *corev1.VolumeSource, secret string) {
		v.AzureFile = &corev1.AzureFileVolumeSource{SecretName: secret, ShareName: "share"}
	}),
	"volumes.cephfs.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.CephFS = &corev1.CephFSVolumeSource{Monitors: []string{"m"}, SecretRef: new(reference(secret))}
	}),
	"volumes.cinder.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.Cinder = &corev1.CinderVolumeSource{VolumeID: "v", SecretRef: new(reference(secret))}
	}),
	"volumes.csi.nodePublishSecretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.CSI = &corev1.CSIVolumeSource{Driver: "csi.example.com", NodePublishSecretRef: new(reference(secret))}
	}),
	"volumes.flexVolume.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.FlexVolume = &corev1.FlexVolumeSource{Driver: "example.com/flex", SecretRef: new(reference(secret))}
	}),
	"volumes.iscsi.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.ISCSI = &corev1.ISCSIVolumeSource{TargetPortal: "127.0.0.1", IQN: "iqn.2015-02.example.com:test", SecretRef: new(reference(secret))}
	}),
	"volumes.rbd.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.RBD = &corev1.RBDVolumeSource{CephMonitors: []string{"m"}, RBDImage: "i", SecretRef: new(reference(secret))}
	}),
	"volumes.scaleIO.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.ScaleIO = &corev1.ScaleIOVolumeSource{Gateway: "g", System: "s", VolumeName: "v", SecretRef: new(reference(secret))}
	}),
	"volumes.storageos.secretRef.name": volume(func(v *corev1.VolumeSource, secret string) {
		v.StorageOS = &corev1.StorageOSVolumeSource{VolumeName: "v", SecretRef: new(reference(secret))}
	}),
}

// attributes is one more way, by a name that only a driver knows.
var attributes = volume(func(v *corev1.VolumeSource, secret string) {
	v.CSI = &corev1.CSIVolumeSource{Driver: "csi.example.com", VolumeAttributes: map[string]string{"secretName": secret}}
})

func volume(set func(*corev1.VolumeSource, string)) func(*corev1.PodSpec, string) {
	return func(s *corev1.PodSpec, secret string) {
		v := corev1.Volume{Name: "v"}
		set(&v.VolumeSource, secret)
		s.Volumes = []corev1.Volume{v}
	}
}

func reference(secret string) corev1.LocalObjectReference {
	return corev1.LocalObjectReference{Name: secret}
}

func variable(secret string) []corev1.EnvVar {
	return []corev1.EnvVar{{Name: "PLAIN", Value: "x"}, {Name: "V", ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: reference(secret), Key: "credentials"},
	}}}
}

func variables(secret string) []corev1.EnvFromSource {
	return []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: reference("settings")}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: reference(secret)}},
	}
}

// secretFields returns the JSON paths below a type at which a Secret is named.
func secretFields(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.PkgPath(), "k8s.io/api/core/") {
		return nil
	}
	var found []string
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		at := strings.TrimPrefix(path+"."+name, ".")
		switch name {
		case "": // inline
			at = path
		case "secretFile": // on the node
			continue
		}
		if !strings.Contains(strings.ToLower(name), "secret") {
			found = append(found, secretFields(field.Type, at)...)
			continue
		}
		of := field.Type
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		named := of.Kind() == reflect.String
		if of.Kind() == reflect.Struct {
			if _, named = of.FieldByName("Name"); named {
				at += ".name"
			}
		}
		if named {
			found = append(found, at)
		} else {
			found = append(found, secretFields(of, at)...)
		}
	}
	return found
}

func TestEveryWayThatAPodCanReferToASecretIsKnown(t *testing.T) {
	var known []string
	for way := range ways {
		known = append(known, way)
	}
	assert.ElementsMatch(t, known, secretFields(reflect.TypeFor[corev1.PodSpec](), ""))
}
