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

// printing returns a logger that converts values before it passes them to next. The
// encoders drop a line with an unsupported value, and print API objects in full.
func printing(next log.Logger) log.Logger {
	return log.LoggerFunc(func(kv ...any) error { return next.Log(pairs(kv)...) })
}

// pairs returns kv with keys and values that the encoders support.
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

// key returns k without the characters that logfmt forbids in keys, or a placeholder if
// nothing is left.
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

// printable returns v as a string. Scalars are returned unchanged, so that JSON keeps their
// type.
func printable(v any) (out any) {
	defer func() {
		if recover() != nil { // fmt recovers from panics in methods, klog.KObj does not
			out = fmt.Sprintf("%T", v)
		}
	}()
	switch v := v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return v
	case string:
		return escape(v)
	case klog.KMetadata: // client-go logs objects that it cannot handle, which may be Secrets
		return escape(klog.KObj(v).String())
	case runtime.Object: // such as a list
		return fmt.Sprintf("%T", v)
	case error, fmt.Stringer:
		return escape(fmt.Sprint(v))
	}
	if opaque(reflect.TypeOf(v)) {
		return fmt.Sprintf("%T", v)
	}
	return escape(fmt.Sprint(v))
}

// opaque reports whether a type without a String method may contain API objects or request
// bodies. Only the name of such a type is logged.
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

// escape escapes non-ASCII characters that control terminals or hide text: C1 controls,
// separators, bidirectional overrides. The encoders escape the ASCII ones.
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

// steering reports whether escape applies to a character.
func steering(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
