// Command chart makes the parts of the Helm chart that follow from others: the copies of manifests/, and the schema of its
// values.
//
//	go run ./cmd/chart
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"kube-aws-iam-controller/test/chart"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run() error {
	dir, err := chart.Dir()
	if err != nil {
		return err
	}
	made, err := chart.Made()
	if err != nil {
		return err
	}
	if err = os.RemoveAll(filepath.Join(dir, chart.CopiesDir)); err != nil {
		return err
	}
	for name, content := range made {
		path := filepath.Join(dir, name)
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // for everybody to read
			return err
		}
		if err = os.WriteFile(path, content, 0o644); err != nil { //nolint:gosec // for everybody to read
			return err
		}
	}
	return nil
}
