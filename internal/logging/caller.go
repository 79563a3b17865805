package logging

import (
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// plumbing is what a line passes on its way from who writes it to here. The
// longest way is that of an error that client-go cannot return.
var plumbing = []string{
	"github.com/go-kit/log",
	"github.com/go-logr/logr",
	"k8s.io/klog/v2",
	"k8s.io/apimachinery/pkg/util/runtime",
	"kube-aws-iam-controller/internal/logging.sink",
	"kube-aws-iam-controller/internal/logging.caller",
}

// caller returns file and line of who writes the line. It goes by names where
// log.Caller counts frames, because lines through klog have more of them.
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

func isPlumbing(function string) bool {
	for _, prefix := range plumbing {
		// Only whole names count: klog/v2 is not klog/v20.
		if rest, found := strings.CutPrefix(function, prefix); found && strings.IndexAny(rest, "./") <= 0 {
			return true
		}
	}
	return false
}
