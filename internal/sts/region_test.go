package sts

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatStandsForAPartitionIsTheRegionOfItsIAM(t *testing.T) {
	at := map[string]place{}
	for _, p := range places {
		if p.region == p.signedFor {
			at[p.partition] = p
		}
	}
	require.Len(t, at, len(variants), "of each partition")
	for partition, p := range at {
		t.Run(partition, func(t *testing.T) {
			a, n := offline(t, map[string]string{"AWS_REGION": partition + "-global"})
			assert.Equal(t, call{p.sts, p.region}, askSTS(t, a, n))
			assert.Equal(t, call{p.iam, p.signedFor}, askIAM(t, a, n))
		})
	}
}

func TestARegionThatIsNoneStopsTheStart(t *testing.T) {
	for _, region := range []string{"nowhere", "aws-global-1x", "aws-iso-x-global", "EU-CENTRAL-1", "eu_central_1", "eu-central-1a", "sts.eu-central-1.amazonaws.com"} {
		t.Run(region, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_REGION", region)
			_, err := LoadConfig(t.Context(), ConfigOptions{})
			require.EqualError(t, err, `the AWS Region that is configured (AWS_REGION): "`+region+`" is not a valid AWS Region: expected a name such as eu-central-1`)
			t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
			cfg, err := LoadConfig(t.Context(), ConfigOptions{})
			require.NoError(t, err, "an endpoint of one's own has Regions of its own")
			assert.Equal(t, region, cfg.Region)
		})
	}
}

func TestWhiteSpaceAroundARegionIsIgnored(t *testing.T) {
	for _, region := range []string{" eu-central-1", "eu-central-1\n"} {
		isolate(t)
		t.Setenv("AWS_REGION", region)
		cfg, err := LoadConfig(t.Context(), ConfigOptions{})
		require.NoError(t, err)
		assert.Equal(t, "eu-central-1", cfg.Region)
	}
}
