package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kube-aws-iam-controller/internal/cli/migrate/manifest"
	"kube-aws-iam-controller/internal/identity"
)

type writer = io.Writer

// stdin is the name of standard input.
const stdin = "-"

// extensions are those of manifests in directories.
var extensions = []string{".yaml", ".yml", ".json"}

// readFiles reads files, the manifests of directories, and standard input.
func readFiles(names []string, in io.Reader) (files []*manifest.File, err error) {
	seen := map[string]bool{}
	for _, name := range names {
		paths := []string{name}
		if name != stdin {
			if paths, err = expand(name); err != nil {
				return nil, err
			}
		}
		for _, path := range paths {
			if seen[filepath.Clean(path)] {
				continue
			}
			seen[filepath.Clean(path)] = true
			data, readErr := readFile(path, in)
			if readErr != nil {
				return nil, readErr
			}
			files = append(files, manifest.ReadFile(path, data))
		}
	}
	return files, nil
}

func readFile(path string, in io.Reader) ([]byte, error) {
	if path == stdin {
		return io.ReadAll(in)
	}
	return os.ReadFile(path) //nolint:gosec // the user names it
}

// expand returns the manifests of a directory, in order, or a file itself.
func expand(name string) (paths []string, err error) {
	if strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		return nil, fmt.Errorf("%s is a URL: pipe what it has to this command, as curl --silent URL | kubectl aws-iam migrate -f -", identity.Quote(name))
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	// With a separator at its end a link to a directory is followed.
	root := strings.TrimSuffix(name, string(filepath.Separator)) + string(filepath.Separator)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return filepath.SkipDir // .git and the like
		case !entry.IsDir() && slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			paths = append(paths, path)
		}
		return nil
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s has no files that end in %s", name, strings.Join(extensions, ", "))
	}
	return paths, err
}

// writeManifests writes the changed files, or all manifests to standard output.
func (o *options) writeManifests(files []*manifest.File) error {
	if o.inPlace {
		return writeFiles(files)
	}
	printed := slices.DeleteFunc(slices.Clone(files), func(file *manifest.File) bool { return len(file.Manifests(o.wanted, false)) == 0 })
	var texts [][]byte
	for _, file := range printed {
		texts = append(texts, file.Manifests(o.wanted, len(printed) > 1))
	}
	_, err := o.env.Out.Write(join(texts))
	return err
}

// join joins streams. One alone remains as it is.
func join(streams [][]byte) []byte {
	if len(streams) == 1 {
		return streams[0]
	}
	var out bytes.Buffer
	for _, stream := range streams {
		if out.Len() > 0 && !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
			out.WriteString("\n")
		}
		stream = bytes.TrimPrefix(stream, []byte("\ufeff"))
		if !bytes.HasPrefix(stream, []byte("---")) {
			out.WriteString("---\n")
		}
		out.Write(stream)
	}
	return out.Bytes()
}

// writeFiles writes the files that changed, unless one of them cannot be.
func writeFiles(files []*manifest.File) (err error) {
	files = slices.DeleteFunc(slices.Clone(files), func(file *manifest.File) bool { return !file.Changed() })
	for _, file := range files {
		switch {
		case file.Name == stdin:
			err = errors.Join(err, errors.New("standard input cannot be written in place"))
		case file.Added() && differs(file):
			err = errors.Join(err, fmt.Errorf("%s exists already, with other content: give it with --filename as well, or move it away", file.Name))
		}
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		err = errors.Join(err, writeFile(file.Name, func(w io.Writer) error {
			_, writeErr := w.Write(file.Bytes())
			return writeErr
		}))
	}
	return err
}

// differs reports whether a file is there already, and says something else.
func differs(file *manifest.File) bool {
	there, err := os.ReadFile(file.Name)
	return err == nil && !bytes.Equal(there, file.Bytes())
}

// writeFile replaces a file atomically, so that it is never incomplete. It keeps the
// permissions, and a link remains a link.
func writeFile(name string, write func(io.Writer) error) (err error) {
	mode := fs.FileMode(0o644)
	if target, linkErr := filepath.EvalSymlinks(name); linkErr == nil {
		name = target
	}
	if info, statErr := os.Stat(name); statErr == nil {
		mode = info.Mode().Perm()
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(temporary), temporary.Chmod(mode), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temporary.Name()))
	}
	return err
}

// wanted reports whether a document is printed.
func (o *options) wanted(d *manifest.Document) bool {
	if o.fromCluster && !d.Changed() {
		return false
	}
	if len(o.only) == 0 {
		return true
	}
	kind := manifest.String(d.Root, "kind")
	name := manifest.String(d.Root, "metadata", "name")
	return kind != "" && slices.ContainsFunc(o.only, func(only string) bool {
		wantedKind, wantedName, named := strings.Cut(only, "/")
		return strings.EqualFold(wantedKind, kind) && (!named || wantedName == name)
	})
}
