package identity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestUseOfARoleAsRecorded(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		use  RoleUse
		text string
	}{
		{RoleUse{}, ""},
		{RoleUse{Known: true}, "never"},
		{RoleUse{Known: true, At: at}, "2030-01-02T03:04:05Z"},
	} {
		assert.Equal(t, tc.text, tc.use.String())
		assert.Equal(t, tc.use, ParseRoleUse(tc.text))
	}
	assert.Equal(t, RoleUse{Known: true, At: at}, ParseRoleUse("2030-01-02T04:04:05+01:00"))
	for _, text := range []string{"Never", "yesterday", "2030-01-02", "0001-01-01T00:00:00Z", "1893553445", " never"} {
		assert.Equal(t, RoleUse{}, ParseRoleUse(text), text)
	}
}
