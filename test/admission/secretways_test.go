package admission

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"

	"kube-aws-iam-controller/test/kit"
)

// ways are all that a pod can refer to a Secret by, and how to make some.
var (
	ways      = kit.SecretReferences
	volume    = kit.SecretVolume
	variable  = kit.SecretVariable
	variables = kit.SecretVariables
)

// attributes is one more way, by a name that only a driver knows.
var attributes = volume(func(v *corev1.VolumeSource, secret string) {
	v.CSI = &corev1.CSIVolumeSource{Driver: "csi.example.com", VolumeAttributes: map[string]string{"secretName": secret}}
})

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
