package kit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// MountPath is where pods have the Secret. A Volume is somewhere else, and writes its own path in the place of this one.
const MountPath = "/meta/aws-iam"

// Volume is a directory with the files of a Secret, renewed in one stroke as the kubelet does it: the files are
// symbolic links through a directory link, and only that one is swapped.
// https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically
type Volume struct {
	Client          kubernetes.Interface
	Namespace, Name string
	Dir             string

	written string // the resource version
}

// Follow renews the files until ctx is done. As in a pod, those of a Secret that was deleted stay.
func (v *Volume) Follow(ctx context.Context) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := v.Sync(ctx); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
				return err
			}
		}
	}
}

// Sync writes the files if the Secret has changed.
func (v *Volume) Sync(ctx context.Context) error {
	secret, err := v.Client.CoreV1().Secrets(v.Namespace).Get(ctx, v.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if secret.ResourceVersion == v.written {
		return nil
	}
	if err := v.write(secret); err != nil {
		return fmt.Errorf("write the files of secret %s: %w", v.Name, err)
	}
	v.written = secret.ResourceVersion
	return nil
}

func (v *Volume) write(secret *corev1.Secret) error {
	current := filepath.Join(v.Dir, "..data")
	old, err := os.Readlink(current)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, err := os.MkdirTemp(v.Dir, "..")
	if err != nil {
		return err
	}
	for file, content := range secret.Data {
		text := strings.ReplaceAll(string(content), MountPath, v.Dir)
		if err := os.WriteFile(filepath.Join(fresh, file), []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(v.Dir, file)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	next := filepath.Join(v.Dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(fresh), next); err != nil {
		return err
	}
	if err := os.Rename(next, current); err != nil || old == "" {
		return err
	}
	return os.RemoveAll(filepath.Join(v.Dir, old))
}
