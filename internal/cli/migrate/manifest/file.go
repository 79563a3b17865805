// Package manifest reads and changes streams of Kubernetes manifests. Whatever is not
// changed is written as it was read, byte by byte: comments, order, quotes, anchors,
// blank lines, line endings, and documents that are no YAML at all.
package manifest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// A File is a stream of documents.
type File struct {
	// Name is a path, or "-" for standard input.
	Name string
	// Documents are all documents, in order, also those that cannot be parsed.
	Documents []*Document
}

// ReadFile splits a stream into documents and parses each. A document that cannot be
// parsed says so in its Err.
func ReadFile(name string, data []byte) *File {
	f := &File{Name: name}
	line, start := 1, 0
	var body, separator int // offsets of the current document and of its text
	flush := func(end int) {
		if end > body {
			f.Documents = append(f.Documents, readDocuments(f, line, string(data[body:separator]), string(data[separator:end]))...)
		}
		line += bytes.Count(data[body:end], []byte("\n"))
		body, separator = end, end
	}
	for start < len(data) {
		end := len(data)
		if i := bytes.IndexByte(data[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		switch text := strings.TrimRight(string(data[start:end]), " \t\r\n"); {
		case isMarker(text, "---"):
			flush(start)
			if rest := strings.TrimSpace(text[3:]); rest == "" || strings.HasPrefix(rest, "#") {
				separator = end
			}
		case isMarker(text, "..."):
			flush(end)
		}
		start = end
	}
	flush(len(data))
	return f
}

// isMarker reports whether a line begins or ends a document. Such a line is content
// nowhere: https://yaml.org/spec/1.2.2/#document-markers.
func isMarker(line, marker string) bool {
	rest, is := strings.CutPrefix(line, marker)
	return is && (rest == "" || rest[0] == ' ' || rest[0] == '\t')
}

// Bytes returns the stream with all changes.
func (f *File) Bytes() []byte { return f.bytes(func(*Document) bool { return true }, false) }

// Manifests returns those documents of the stream that are wanted, without what is no
// manifest. With separated there is a separator between any two of them, as is needed among
// other streams; JSON that stands alone can do without.
func (f *File) Manifests(wanted func(*Document) bool, separated bool) []byte {
	return f.bytes(func(d *Document) bool { return !d.omitted && wanted(d) }, separated)
}

func (f *File) bytes(wanted func(*Document) bool, separated bool) []byte {
	var out bytes.Buffer
	unseparated := f.isJSONStream()
	apart := false // whether what is before d was not before it when it was read
	for _, d := range f.Documents {
		if !wanted(d) {
			apart = out.Len() > 0
			continue
		}
		separator := d.separator
		if d.continues && separated && out.Len() > 0 || apart && !unseparated && separator == "" && !strings.HasPrefix(d.body, "---") {
			separator = "---" + d.text().eol
		}
		if separator != "" && out.Len() > 0 && !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
			out.WriteString(d.text().eol)
		}
		out.WriteString(separator + d.rendered())
		apart = d.added
	}
	return out.Bytes()
}

// Insert adds an object in front of a document of the file, or, if that is nil or the
// first of a file that begins with a byte order mark, at the end.
func (f *File) Insert(object any, before *Document) error {
	var encoded bytes.Buffer
	encoder := yaml.NewEncoderWithOptions(&encoded, &yaml.EncoderOptions{})
	if err := encoder.Encode(object); err != nil {
		return fmt.Errorf("write a new object: %w", err)
	}
	eol := "\n"
	if before != nil {
		eol = before.text().eol
	}
	d := newDocument(f, 1, "---"+eol, strings.ReplaceAll(encoded.String(), "\n", eol))
	d.added = true
	i := slices.Index(f.Documents, before)
	if i < 0 || strings.HasPrefix(before.Text(), "\ufeff") {
		i = len(f.Documents)
	}
	f.Documents = slices.Insert(f.Documents, i, d)
	return d.Err
}

// Reset undoes all changes of the file.
func (f *File) Reset() {
	f.Documents = slices.DeleteFunc(f.Documents, (*Document).Added)
	for _, d := range f.Documents {
		if d.changes.made {
			d.reset()
		}
	}
}

// IsJSON reports whether the file consists of JSON, to which YAML cannot be added.
func (f *File) IsJSON() bool { return len(f.Documents) > 0 && f.Documents[0].IsJSON() }

// Added reports whether the file was not read.
func (f *File) Added() bool {
	return !slices.ContainsFunc(f.Documents, func(d *Document) bool { return !d.added })
}

// Changed reports whether any document was changed.
func (f *File) Changed() bool {
	for _, d := range f.Documents {
		if d.Changed() {
			return true
		}
	}
	return false
}
