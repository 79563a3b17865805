package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"time"
)

// archived is a file of an archive.
type archived struct {
	name    string
	content []byte
	mode    os.FileMode
}

// writeTarGz writes files of a time, with the same bytes each time.
func writeTarGz(path string, files []archived, modified time.Time) error {
	return create(path, func(out io.Writer) error {
		compressed := gzip.NewWriter(out)
		archive := tar.NewWriter(compressed)
		for _, f := range files {
			header := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(f.content)), ModTime: stamp(modified), Format: tar.FormatUSTAR}
			if err := archive.WriteHeader(header); err != nil {
				return err
			}
			if _, err := archive.Write(f.content); err != nil {
				return err
			}
		}
		return errors.Join(archive.Close(), compressed.Close())
	})
}

// writeZip is writeTarGz for Windows.
func writeZip(path string, files []archived, modified time.Time) error {
	return create(path, func(out io.Writer) error {
		archive := zip.NewWriter(out)
		for _, f := range files {
			header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: stamp(modified)}
			header.SetMode(f.mode)
			content, err := archive.CreateHeader(header)
			if err != nil {
				return err
			}
			if _, err = content.Write(f.content); err != nil {
				return err
			}
		}
		return archive.Close()
	})
}

// stamp is the time of files. A zip has none before 1980.
func stamp(modified time.Time) time.Time {
	earliest := time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)
	if modified.Before(earliest) {
		return earliest
	}
	return modified.UTC()
}

// create makes a file that everybody may read.
func create(path string, write func(io.Writer) error) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // for everybody to read
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return write(out)
}
