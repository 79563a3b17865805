package config

import (
	"errors"
	"strings"
)

// namesValue implements kingpin.Value for names, separated by commas.
type namesValue []string

// Set implements kingpin.Value.
func (v *namesValue) Set(text string) error {
	*v = nil
	if text == "" {
		return nil
	}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return errors.New("a name is empty: expected name,name without a comma at the end")
		}
		*v = append(*v, name)
	}
	return nil
}

// String implements kingpin.Value.
func (v *namesValue) String() string { return strings.Join(*v, ",") }
