package logging

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// plumbing are the packages and types whose frames caller skips. The deepest stack is that
// of an error that client-go passes to HandleError.
var plumbing = []string{
	"github.com/go-kit/log",
	"github.com/go-logr/logr",
	"k8s.io/klog/v2",
	"k8s.io/apimachinery/pkg/util/runtime",
	"kube-aws-iam-controller/internal/logging.sink",
	"kube-aws-iam-controller/internal/logging.caller",
}

// caller returns file and line of the first frame outside plumbing. log.Caller skips a fixed
// number of frames, which differs between go-kit and klog.
func caller() any {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for {
		frame, more := frames.Next()
		if !isPlumbing(frame.Function) {
			return filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// isPlumbing reports whether a function belongs to plumbing.
func isPlumbing(function string) bool {
	for _, prefix := range plumbing {
		// Match whole path elements: klog/v2 does not match klog/v20.
		if rest, found := strings.CutPrefix(function, prefix); found && strings.IndexAny(rest, "./") <= 0 {
			return true
		}
	}
	return false
}
