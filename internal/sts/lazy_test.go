package sts

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLazyIsFetchedUntilItSucceeds(t *testing.T) {
	var l lazy[string]
	failure := errors.New("away")
	_, err := l.get(t.Context(), func(context.Context) (*string, error) { return new("partial"), failure })
	require.ErrorIs(t, err, failure)
	got, err := l.get(t.Context(), func(context.Context) (*string, error) { return new("first"), nil })
	require.NoError(t, err)
	assert.Equal(t, "first", *got)
	got, err = l.get(t.Context(), func(context.Context) (*string, error) { return new("second"), nil })
	require.NoError(t, err)
	assert.Equal(t, "first", *got)
}
