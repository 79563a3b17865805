package sts

import (
	"errors"
	"testing"

	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/internal/awssim"
)

func TestAllowedStopsRequests(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	w.app("app")
	var refusal error
	cfg := configFor(w.URL(), w.asRole())
	cfg.RetryMaxAttempts = 3
	cfg.APIOptions = []func(*middleware.Stack) error{allowAttempts(func() error { return refusal })}
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	_, err = a.Assume(t.Context(), wanting(t, "app"))
	require.NoError(t, err)
	refusal = errors.New("the lease was lost")
	_, err = a.Assume(t.Context(), wanting(t, "app"))
	require.EqualError(t, err, "the lease was lost")
	require.ErrorIs(t, err, refusal)
	assert.Equal(t, 1, w.Counts()["AssumeRole"])
}

func TestLoadConfigAppliesAllowed(t *testing.T) {
	w := newWorld(t, awssim.Options{})
	creds := w.asRole()
	t.Setenv("AWS_ACCESS_KEY_ID", creds.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", creds.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", creds.SessionToken)
	t.Setenv("AWS_ENDPOINT_URL", w.URL())
	cfg, err := LoadConfig(t.Context(), ConfigOptions{Allowed: func() error { return errors.New("the lease was lost") }})
	require.NoError(t, err)
	a, err := New(cfg, withQPS(Options{}))
	require.NoError(t, err)
	_, err = a.Base(t.Context())
	require.ErrorContains(t, err, "the lease was lost")
	assert.Empty(t, w.Counts())
}
