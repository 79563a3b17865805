package logging

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-kit/log"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
)

// printing returns a logger that renders values before next sees them. Left
// alone, a value that logfmt or JSON does not know loses the line, and an API
// object prints as the whole of it.
func printing(next log.Logger) log.Logger {
	return log.LoggerFunc(func(kv ...any) error { return next.Log(pairs(kv)...) })
}

// pairs returns kv with keys and values that make a line, whatever they were.
func pairs(kv []any) []any {
	out := make([]any, 0, len(kv)+1)
	for i := 0; i < len(kv); i += 2 {
		var value any = "(missing)"
		if i+1 < len(kv) {
			value = printable(kv[i+1])
		}
		out = append(out, key(kv[i]), value)
	}
	return out
}

// key returns k without what a logfmt key cannot hold, or a name for nothing.
func key(k any) string {
	s, ok := k.(string)
	if !ok {
		s = fmt.Sprint(printable(k))
	}
	s = strings.Map(func(r rune) rune {
		if r == '=' || r == '"' || r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "(nokey)"
	}
	return s
}

// printable returns v as a scalar, and scalars as they are, for JSON's sake.
func printable(v any) (out any) {
	defer func() {
		if recover() != nil { // fmt survives methods that panic; klog.KObj does not
			out = fmt.Sprintf("%T", v)
		}
	}()
	switch v := v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return v
	case string:
		return escape(v)
	case klog.KMetadata: // client-go logs objects it cannot handle, and those may be Secrets
		return escape(klog.KObj(v).String())
	case runtime.Object: // a list of them, say
		return fmt.Sprintf("%T", v)
	case error, fmt.Stringer:
		return escape(fmt.Sprint(v))
	}
	if opaque(reflect.TypeOf(v)) {
		return fmt.Sprintf("%T", v)
	}
	return escape(fmt.Sprint(v))
}

// opaque says of a type without a String method that it may hold API objects,
// or bodies of requests, so that no more than its name can be printed.
func opaque(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return t.Elem().Kind() == reflect.Uint8 || opaque(t.Elem())
	case reflect.Map:
		return opaque(t.Key()) || opaque(t.Elem())
	case reflect.Struct, reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return true
	default:
		return false
	}
}

// escape spells out what steers terminals and hides text but is not ASCII:
// C1 controls, separators, bidirectional overrides. Both encoders see to ASCII.
func escape(s string) string {
	if strings.IndexFunc(s, steering) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if steering(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steering(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
