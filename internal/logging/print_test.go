package logging

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-kit/log/level"
	"github.com/stretchr/testify/assert"
)

type steers struct{}

func (steers) String() string { return "left\u202eright" }

func TestCharactersThatSteerTerminalsAreEscapedInAnyValue(t *testing.T) {
	for name, value := range map[string]any{
		"a string":         "left\u202eright",
		"an error":         errors.New("left\u202eright"),
		"a Stringer":       steers{},
		"strings":          []string{"left\u202eright"},
		"a C1 control":     "left\u009bright",
		"a line separator": "left\u2028right",
		"a delete":         "left\x7fright",
	} {
		for _, format := range formats {
			t.Run(name+" as "+format, func(t *testing.T) {
				logger, out := debugging(t, format)
				level.Info(logger).Log("msg", "x", "v", value)
				assert.Regexp(t, `left\\+(u202e|u009b|u2028|x7f)right`, out.String())
			})
		}
	}
}

func TestTimeIsUTC(t *testing.T) {
	local := time.Local
	time.Local = time.FixedZone("elsewhere", 7*3600)
	t.Cleanup(func() { time.Local = local })
	logger, out := debugging(t, "logfmt")
	level.Info(logger).Log("msg", "x")
	assert.Regexp(t, `^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z caller=`, out.String())
}

func TestOnlyTypesOfWhatMayHoldObjectsAreLogged(t *testing.T) {
	type box struct{ text string }
	for name, value := range map[string]any{
		"a struct":          box{"hunter2"},
		"a pointer to one":  &box{"hunter2"},
		"keys of a map":     map[box]int{{"hunter2"}: 1},
		"values of a map":   map[int]box{1: {"hunter2"}},
		"an array":          [1]box{{"hunter2"}},
		"a slice of any":    []any{"hunter2"},
		"an array of bytes": [7]byte([]byte("hunter2")),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, fmt.Sprintf("%T", value), printable(value))
		})
	}
}

func TestPlumbingIsMatchedByWholeElements(t *testing.T) {
	for function, is := range map[string]bool{
		"k8s.io/klog/v2.InfoS":                       true,
		"k8s.io/klog/v2/textlogger.Info":             true,
		"k8s.io/klog/v20.InfoS":                      false,
		"github.com/go-kit/log.With":                 true,
		"github.com/go-kit/logs.With":                false,
		"kube-aws-iam-controller/internal/queue.Run": false,
	} {
		assert.Equal(t, is, isPlumbing(function), function)
	}
}
