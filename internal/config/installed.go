package config

import (
	"io"
	"strings"
)

// ParseInstalled reads the configuration of a controller that runs elsewhere from the
// arguments and environment variables of its container. The environment of this process
// plays no part. Flags that this version does not know are an error.
func ParseInstalled(args []string, env map[string]string) (Config, error) {
	var c Config
	app := newApp(io.Discard, &c)
	app.Terminate(func(int) {})
	given := flagsIn(args)
	var settings []string
	for _, flag := range app.Model().Flags {
		value, set := env[flag.Envar]
		app.GetFlag(flag.Name).NoEnvar()
		if flag.Envar != "" && set && value != "" && !given[flag.Name] {
			settings = append(settings, "--"+flag.Name+"="+value)
		}
	}
	_, err := parseArgs(app, append(settings, args...))
	return c, err
}

// flagsIn returns the names of the flags in args, also of those that are negated.
func flagsIn(args []string) map[string]bool {
	names := map[string]bool{}
	for _, arg := range args {
		if name := flagOf(arg); name != "" {
			names[strings.TrimPrefix(name, "no-")] = true
		}
	}
	return names
}
