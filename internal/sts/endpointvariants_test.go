package sts

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	dualStack = "AWS_USE_DUALSTACK_ENDPOINT"
	fips      = "AWS_USE_FIPS_ENDPOINT"
)

// modes are the variables that choose other hosts, in the order of the columns of
// docs/install.md.
var modes = [][]string{{dualStack}, {fips}, {dualStack, fips}}

// hosts are those of STS, with REGION for the Region, and of IAM.
type hosts struct{ sts, iam string }

// variants are the hosts of each partition, in the order of modes.
var variants = map[string][]hosts{
	"aws": {
		{"sts.REGION.api.aws", "iam.global.api.aws"},
		{"sts-fips.REGION.amazonaws.com", "iam-fips.amazonaws.com"},
		{"sts-fips.REGION.api.aws", "iam-fips.global.api.aws"},
	},
	"aws-cn": {
		{"sts.REGION.api.amazonwebservices.com.cn", "iam.global.api.amazonwebservices.com.cn"},
		{"sts-fips.REGION.amazonaws.com.cn", "iam-fips.amazonaws.com.cn"},
		{"sts-fips.REGION.api.amazonwebservices.com.cn", "iam-fips.api.amazonwebservices.com.cn"},
	},
	"aws-us-gov": {
		{"sts.REGION.api.aws", "iam.us-gov.api.aws"},
		{"sts.REGION.amazonaws.com", "iam.us-gov.amazonaws.com"},
		{"sts-fips.REGION.api.aws", "iam.us-gov.api.aws"},
	},
	"aws-eusc": {
		{"sts.REGION.api.amazonwebservices.eu", "iam.global.api.amazonwebservices.eu"},
		{"sts-fips.REGION.amazonaws.eu", "iam-fips.amazonaws.eu"},
		{"sts-fips.REGION.api.amazonwebservices.eu", "iam-fips.api.amazonwebservices.eu"},
	},
	"aws-iso": {
		{"sts.REGION.api.aws.ic.gov", "iam.api.aws.ic.gov"},
		{"sts-fips.REGION.c2s.ic.gov", "iam-fips.us-iso-east-1.c2s.ic.gov"},
		{"sts-fips.REGION.api.aws.ic.gov", "iam-fips.api.aws.ic.gov"},
	},
	"aws-iso-b": {
		{"sts.REGION.api.aws.scloud", "iam.api.aws.scloud"},
		{"sts-fips.REGION.sc2s.sgov.gov", "iam-fips.us-isob-east-1.sc2s.sgov.gov"},
		{"sts-fips.REGION.api.aws.scloud", "iam-fips.api.aws.scloud"},
	},
	"aws-iso-e": {
		{"sts.REGION.api.cloud-aws.adc-e.uk", "iam.api.cloud-aws.adc-e.uk"},
		{"sts-fips.REGION.cloud.adc-e.uk", "iam-fips.cloud.adc-e.uk"},
		{"sts-fips.REGION.api.cloud-aws.adc-e.uk", "iam-fips.api.cloud-aws.adc-e.uk"},
	},
	"aws-iso-f": {
		{"sts.REGION.api.aws.hci.ic.gov", "iam.api.aws.hci.ic.gov"},
		{"sts-fips.REGION.csp.hci.ic.gov", "iam-fips.csp.hci.ic.gov"},
		{"sts-fips.REGION.api.aws.hci.ic.gov", "iam-fips.api.aws.hci.ic.gov"},
	},
}

func TestFIPSAndDualStackEndpointsOfEachPartition(t *testing.T) {
	for _, p := range places {
		for i, mode := range modes {
			t.Run(p.region+" "+strings.Join(mode, " "), func(t *testing.T) {
				env := map[string]string{"AWS_REGION": p.region}
				for _, variable := range mode {
					env[variable] = "true"
				}
				a, n := offline(t, env)
				want := variants[p.partition][i]
				assert.Equal(t, call{strings.Replace(want.sts, "REGION", p.region, 1), p.region}, askSTS(t, a, n))
				assert.Equal(t, call{want.iam, p.signedFor}, askIAM(t, a, n), "signed for the Region of the usual host")
			})
		}
	}
}

func TestOperatorsAreToldTheHostsOfEachVariant(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "install.md"))
	require.NoError(t, err)
	for partition, all := range variants {
		cells := []string{"`" + partition + "`"}
		for _, h := range all {
			cells = append(cells, "`"+h.sts+"`, `"+h.iam+"`")
		}
		assert.Contains(t, string(page), "| "+strings.Join(cells, " | ")+" |\n")
	}
}
