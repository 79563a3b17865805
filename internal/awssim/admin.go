package awssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// adminPath is the prefix of the control API for other processes:
//
//	POST /_sim/settings  {"session":"20s","latency":"50ms","faults":[{"action":"AssumeRole","code":"Throttling","times":3}]}
//	POST /_sim/roles     {"account":"123456789012","name":"app","trust":"{…}"}
//	GET  /_sim/counts    {"AssumeRole":17}
//	GET  /_sim/calls     [{"action":"AssumeRole",…}]
const adminPath = "/_sim/"

// Duration is a time.Duration that is encoded as text such as "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	*d = Duration(parsed)
	return err
}

func (s *Sim) serveAdmin(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var answer any
	var err error
	switch r.Method + " " + r.URL.Path {
	case "POST " + adminPath + "settings":
		var settings Settings
		if err = json.NewDecoder(r.Body).Decode(&settings); err == nil {
			s.Set(settings)
		}
	case "POST " + adminPath + "roles":
		var spec RoleSpec
		if err = json.NewDecoder(r.Body).Decode(&spec); err == nil {
			answer, err = s.AddRole(spec)
		}
	case "GET " + adminPath + "counts":
		answer = s.Counts()
	case "GET " + adminPath + "calls":
		answer = s.Calls()
	default:
		err = fmt.Errorf("there is no %s %s", r.Method, r.URL.Path)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
