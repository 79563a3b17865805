package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// readDocuments returns the documents of what stands between two separators: one, or each
// of several JSON values. Programs that print JSON put no separator between two values, and
// kubectl reads such files.
func readDocuments(f *File, line int, separator, body string) []*Document {
	d := newDocument(f, line, separator, body)
	if d.Err == nil {
		return []*Document{d}
	}
	values := jsonValues(body)
	if len(values) < 2 {
		return []*Document{d}
	}
	var all []*Document
	for i, value := range values {
		part := newDocument(f, line, separator, value)
		part.continues = i > 0
		all = append(all, part)
		line += strings.Count(part.Text(), "\n")
		separator = ""
	}
	return all
}

// jsonValues splits a sequence of JSON objects and arrays, nil if a text is none. White
// space belongs to the value before it, a byte order mark to the first.
func jsonValues(body string) (values []string) {
	mark := len(body) - len(strings.TrimPrefix(body, "\ufeff"))
	if start := strings.TrimLeft(body[mark:], jsonSpace); start == "" || !strings.ContainsAny(start[:1], "{[") {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(body[mark:]))
	var ends []int
	for {
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if value = bytes.TrimLeft(value, jsonSpace); err != nil || !bytes.ContainsAny(value[:1], "{[") {
			return nil
		}
		ends = append(ends, mark+int(decoder.InputOffset()))
	}
	begin := 0
	for _, end := range ends {
		end += len(body[end:]) - len(strings.TrimLeft(body[end:], jsonSpace))
		values = append(values, body[begin:end])
		begin = end
	}
	return values
}

// jsonSpace is the white space of JSON.
const jsonSpace = " \t\r\n"

// isJSONStream reports whether the file consists of JSON values without separators.
func (f *File) isJSONStream() bool {
	for i, d := range f.Documents {
		if !d.continues && (i > 0 || !d.IsJSON() || d.separator != "") {
			return false
		}
	}
	return true
}
