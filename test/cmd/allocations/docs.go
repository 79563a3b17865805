package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// benchmarkDocs returns what the benchmarks of a directory say that they count, by their names without "Benchmark".
func benchmarkDocs(directory string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(directory, "*_test.go"))
	if err != nil {
		return nil, err
	}
	docs := map[string]string{}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, declared := range file.Decls {
			function, is := declared.(*ast.FuncDecl)
			if name, benchmark := nameOf(function, is); benchmark {
				docs[name] = counted(function.Doc.Text())
			}
		}
	}
	return docs, nil
}

func nameOf(function *ast.FuncDecl, is bool) (string, bool) {
	if !is {
		return "", false
	}
	return strings.CutPrefix(function.Name.Name, "Benchmark")
}

// counted returns the first sentence of a comment, from what is counted on.
func counted(comment string) string {
	sentence, _, _ := strings.Cut(strings.Join(strings.Fields(comment), " "), ". ")
	_, what, _ := strings.Cut(sentence, " counts ")
	return strings.TrimSuffix(what, ".")
}
