package identity

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDelivery(t *testing.T) {
	for _, want := range []Delivery{DeliverProcess, DeliverEndpoint, DeliverFile, DeliverNone} {
		got, err := ParseDelivery("\t" + string(want) + " \n")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := ParseDelivery("Process")
	require.EqualError(t, err, `"Process" is invalid: expected one of process, endpoint, file, none`)
}

func TestParseDeletionPolicy(t *testing.T) {
	for _, want := range []string{"Delete", "Retain"} {
		got, err := ParseDeletionPolicy("\t" + want + " \n")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := ParseDeletionPolicy("retain")
	require.EqualError(t, err, `"retain" is invalid: expected one of Delete, Retain`)
}

func TestParseRegion(t *testing.T) {
	for _, want := range []string{"eu-central-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"} {
		got, err := ParseRegion(" " + want + "\n")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, value := range []string{"", "eu-central", "eu_central_1", "EU-CENTRAL-1", "eu-central-1a"} {
		_, err := ParseRegion(value)
		require.ErrorContains(t, err, "expected a name such as eu-central-1", value)
	}
}

func TestSourceOwner(t *testing.T) {
	apiVersion, kind := ServiceAccount.Owner()
	assert.Equal(t, "v1 ServiceAccount", apiVersion+" "+kind)
	apiVersion, kind = AWSIAMRole.Owner()
	assert.Equal(t, "zalando.org/v1 AWSIAMRole", apiVersion+" "+kind)
}
