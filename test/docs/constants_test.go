package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// constantsBeside returns the values of the block of constants that has a value, wherever in the program it is: packages
// come and go, what users see stays.
func constantsBeside(t *testing.T, value string) []string {
	t.Helper()
	for _, name := range files(t, ".go") {
		if !strings.HasPrefix(name, "internal/") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range file.Decls {
			if values := constants(declaration); slices.Contains(values, value) {
				return values
			}
		}
	}
	t.Fatalf("no constant is %q", value)
	return nil
}

// constants returns the values of a block of constants that are strings.
func constants(declaration ast.Decl) (values []string) {
	block, ok := declaration.(*ast.GenDecl)
	if !ok || block.Tok != token.CONST {
		return nil
	}
	for _, spec := range block.Specs {
		names, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for _, expression := range names.Values {
			literal, ok := expression.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				continue
			}
			if text, err := strconv.Unquote(literal.Value); err == nil {
				values = append(values, text)
			}
		}
	}
	return values
}
