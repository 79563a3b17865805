package admission

// A Patch is a JSON Patch (RFC 6902) that only adds.
type Patch []Operation

// An Operation adds one value.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// appendTo adds value at the end of the list at path, which has length items. An
// empty list is created first; items are then added one by one, because writing a
// whole list would lose what another webhook adds at the same time.
func (p *Patch) appendTo(path string, length int, value any) { p.insert(path, "/-", length, value) }

// prependTo adds value at the start of the list at path.
func (p *Patch) prependTo(path string, length int, value any) { p.insert(path, "/0", length, value) }

func (p *Patch) insert(path, at string, length int, value any) {
	if length == 0 {
		p.add(path, []any{})
	}
	p.add(path+at, value)
}

func (p *Patch) add(path string, value any) {
	*p = append(*p, Operation{Op: "add", Path: path, Value: value})
}
