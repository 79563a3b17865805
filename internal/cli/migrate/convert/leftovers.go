package convert

import (
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"kube-aws-iam-controller/internal/api"
	"kube-aws-iam-controller/internal/cli/migrate/manifest"
)

// telltales are keys that ask for a role somewhere.
var telltales = []string{
	podRole, podExternalID, podSessionName, api.IRSAAnnotation,
	strings.ReplaceAll(podRole, "/", "~1"), strings.ReplaceAll(api.IRSAAnnotation, "/", "~1"), // in JSON Patches
}

// unread reports that a document is not understood, and which of its lines request
// roles.
func (c *converter) unread(doc *manifest.Document) {
	lines := 0
	for i, line := range strings.Split(doc.Text(), "\n") {
		if mentioned(line) == "" {
			continue
		}
		lines++
		c.result.Findings = append(c.result.Findings, Finding{
			File: doc.File.Name, Line: doc.Line() + i, Open: true,
			Message: mentioned(line) + " in a document that is left as it is, because " + doc.Err.Error() + templateRemedy(doc),
		})
	}
	if lines == 0 {
		c.result.Findings = append(c.result.Findings, Finding{
			File: doc.File.Name, Line: doc.Line(), Open: true, Message: "the document is left as it is, because " + doc.Err.Error() + templateRemedy(doc),
		})
	}
}

// templateRemedy returns what to do about the template of a chart, "" for other documents.
func templateRemedy(doc *manifest.Document) string {
	if strings.Contains(doc.Text(), "{{") {
		return "; it is a template: set the annotation of its ServiceAccount, mostly serviceAccount.annotations in the chart's values, or convert what \"helm template\" prints to see what has to change"
	}
	return ""
}

// mentioned returns the key that a text mentions, "" for none.
func mentioned(text string) string {
	i := slices.IndexFunc(telltales, func(key string) bool { return mentions(text, key) })
	if i < 0 {
		return ""
	}
	return telltales[i]
}

// mentions reports whether a text contains a key that is not just the beginning of
// another one.
func mentions(text, key string) bool {
	for rest, found := text, true; found; {
		if _, rest, found = strings.Cut(rest, key); found && (rest == "" || !strings.ContainsRune("-abcdefghijklmnopqrstuvwxyz", rune(rest[0]))) {
			return true
		}
	}
	return false
}

// leftovers reports where roles are requested in a way that was not understood.
func (c *converter) leftovers() {
	for _, file := range c.files {
		for _, doc := range file.Documents {
			if c.skipped[doc] || doc.Added() {
				continue
			}
			doc.Walk(func(n *node) { c.leftover(doc, n) })
		}
	}
}

func (c *converter) leftover(doc *manifest.Document, n *node) {
	if n.Kind != yaml.ScalarNode || n.Line == 0 || c.claimed[n] {
		return
	}
	key := mentioned(n.Value)
	if key == "" {
		return
	}
	message := "mentioned in a text: if that is a manifest or a patch, convert it there"
	if n.Value == key {
		message = "not understood here: " + c.advice(doc, n)
	}
	kind, name := manifest.String(doc.Root, "kind"), manifest.String(doc.Root, "metadata", "name")
	c.result.Findings = append(c.result.Findings, Finding{
		File: doc.File.Name, Line: doc.LineOf(n), Object: strings.TrimSpace(kind + " " + name), Message: key + " is " + message, Open: true,
	})
}

// advice says what to do about a key that is not understood where it stands.
func (c *converter) advice(doc *manifest.Document, n *node) string {
	path := doc.Path(n)
	kind := manifest.String(doc.Root, "kind")
	group, _, hasGroup := strings.Cut(manifest.String(doc.Root, "apiVersion"), "/")
	if !hasGroup {
		group = ""
	}
	if i := len(path) - 3; kind != "" && i > 0 && path[i] == "metadata" && path[i+1] == "annotations" {
		return "if its pods are described there, give --pod-template " + strings.TrimSuffix(kind+"."+group, ".") + "=" + strings.Join(path[:i], ".")
	}
	if kind == "Kustomization" {
		return "kustomize writes it into other manifests: convert what \"kustomize build\" prints to see what has to change, and annotate the ServiceAccount here"
	}
	if kind == "" && strings.Contains(doc.Text(), "{{") {
		return strings.TrimPrefix(templateRemedy(doc), "; ")
	}
	if kind == "" {
		return "if these are values of a chart, set the annotation of its ServiceAccount there, mostly serviceAccount.annotations; if this is a patch, patch the ServiceAccount instead"
	}
	return "it has no effect there; annotate the ServiceAccount instead"
}

// finish names the documents that could not be changed, and orders the findings by document.
func (c *converter) finish() {
	c.result.Files = c.files
	for _, file := range c.files {
		for _, doc := range file.Documents {
			if err := c.kept[doc]; err != nil {
				c.result.Findings = append(c.result.Findings, Finding{File: file.Name, Line: doc.Line(), Open: true, Message: "the document is left as it is: " + err.Error()})
			}
		}
	}
	order := map[string]int{}
	for i, file := range c.files {
		order[file.Name] = i
	}
	slices.SortStableFunc(c.result.Findings, func(a, b Finding) int {
		if a.File != b.File {
			return order[a.File] - order[b.File]
		}
		return a.Line - b.Line
	})
}
