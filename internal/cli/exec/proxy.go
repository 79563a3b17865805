package exec

import (
	"cmp"
	"slices"
	"strings"
)

// loopback is the address of the endpoint.
const loopback = "127.0.0.1"

// withoutProxy returns the variables that name the hosts which are asked without a proxy, with
// the endpoint's: a proxy could not reach that, and would get the authorization token. Programs
// differ in which spelling they read and prefer, so one that the user has not set gets what
// the other one says. They are also set where the user has no proxy: the program may be a
// shell, in which one is set.
func withoutProxy(own []string) map[string]string {
	upper, lower := valueOf(own, "NO_PROXY"), valueOf(own, "no_proxy")
	return map[string]string{
		"NO_PROXY": withLoopback(cmp.Or(upper, lower)),
		"no_proxy": withLoopback(cmp.Or(lower, upper)),
	}
}

// withLoopback returns a list of hosts with the endpoint's. A * stands for all hosts, and to
// some programs only if it is alone.
func withLoopback(hosts string) string {
	isThere := func(host string) bool {
		host = strings.TrimSpace(host)
		return host == "*" || host == loopback
	}
	if slices.ContainsFunc(strings.Split(hosts, ","), isThere) {
		return hosts
	}
	if hosts = strings.TrimRight(hosts, ", "); hosts == "" {
		return loopback
	}
	return hosts + "," + loopback
}

// valueOf returns the value of a variable, "" for none.
func valueOf(own []string, name string) (value string) {
	for _, pair := range own {
		if key, v, _ := strings.Cut(pair, "="); key == name {
			value = v
		}
	}
	return value
}
