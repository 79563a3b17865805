package main

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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// mountPath is where pods have the Secret. The demo mounts nothing, so it writes its own path in the place of this one.
const mountPath = "/meta/aws-iam"

// volume is a directory with the files of a Secret, renewed in one stroke as the kubelet does it: the files are
// symbolic links through a directory link, and only that one is swapped.
// https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically
type volume struct {
	client          kubernetes.Interface
	namespace, name string
	dir             string
	written         string // the resource version
}

// follow renews the files until ctx is done.
func (v *volume) follow(ctx context.Context) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := v.sync(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// sync writes the files if the Secret has changed.
func (v *volume) sync(ctx context.Context) error {
	secret, err := v.client.CoreV1().Secrets(v.namespace).Get(ctx, v.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if secret.ResourceVersion == v.written {
		return nil
	}
	if err := v.write(secret); err != nil {
		return fmt.Errorf("write the files of secret %s: %w", v.name, err)
	}
	v.written = secret.ResourceVersion
	return nil
}

func (v *volume) write(secret *corev1.Secret) error {
	current := filepath.Join(v.dir, "..data")
	old, err := os.Readlink(current)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh, err := os.MkdirTemp(v.dir, "..")
	if err != nil {
		return err
	}
	for file, content := range secret.Data {
		text := strings.ReplaceAll(string(content), mountPath, v.dir)
		if err := os.WriteFile(filepath.Join(fresh, file), []byte(text), 0o600); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(v.dir, file)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	next := filepath.Join(v.dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(fresh), next); err != nil {
		return err
	}
	if err := os.Rename(next, current); err != nil || old == "" {
		return err
	}
	return os.RemoveAll(filepath.Join(v.dir, old))
}
