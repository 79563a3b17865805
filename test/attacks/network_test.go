package attacks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kube-aws-iam-controller/test/kit"
)

const (
	makesRoom = "limits on connections: the address that has the most loses its oldest"
	// idlers is as many connections as the limit of open files has room for, in the test and in the controller.
	idlers = 12_000
	// spare is what the memory of the process may grow by, in bytes, whatever strangers do. One idle connection used to
	// cost 22 kB.
	spare = 40e6
)

// networkAttacks are tried one after another, because each looks at the memory of the process and at how fast probes are answered.
var networkAttacks = []attack{
	{
		actor: stranger, intent: "fill the controller's memory with connections that ask for nothing", by: makesRoom,
		try: func(a *attacker) {
			a.alone(func(s *strangers) { s.connect(idlers, "127.0.0.2") })
		},
	},
	{
		actor: stranger, intent: "fill the controller's memory with connections from many addresses", by: makesRoom,
		try: func(a *attacker) {
			a.alone(func(s *strangers) {
				s.connect(idlers, "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9")
			})
		},
	},
	{
		actor: stranger, intent: "hold connections by sending headers slowly, so that no probe gets through", by: makesRoom,
		try: func(a *attacker) {
			a.alone(func(s *strangers) {
				for _, conn := range s.connect(4000, "127.0.0.2", "127.0.0.3") {
					_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ") // to who may have closed it
				}
			})
		},
	},
	{
		actor: stranger, intent: "fill the controller's memory with headers that never end", by: makesRoom + "; headers are limited to 16 KiB",
		try: func(a *attacker) {
			a.alone(func(s *strangers) {
				endless := "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 64<<10)
				for _, conn := range s.connect(4000, "127.0.0.2", "127.0.0.3") {
					_, _ = io.WriteString(conn, endless)
				}
			})
		},
	},
	{
		actor: stranger, intent: "keep others from reading metrics, by requesting them and not reading the answers", by: "limits on scrapes per address; a slow one is ended when another is waiting",
		try: func(a *attacker) {
			a.alone(func(s *strangers) {
				ask := strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 2000)
				for _, conn := range s.connect(40, "127.0.0.2", "127.0.0.3", "127.0.0.4") {
					require.NoError(s.t, conn.SetWriteDeadline(time.Now().Add(time.Second)))
					_, _ = io.WriteString(conn, ask)
				}
			})
		},
	},
}

// metricsAttacks read what everybody may read.
var metricsAttacks = []attack{
	{
		actor: stranger, intent: "learn from the metrics which namespaces and ServiceAccounts there are", by: "metrics that name them are for authorized clients only",
		try: func(a *attacker) {
			metrics, err := a.controller.Get(a.t.Context(), "/metrics")
			require.NoError(a.t, err)
			assert.Contains(a.t, metrics, `kube_aws_iam_controller_identities{source="serviceaccount",state="ready"}`)
			for _, name := range []string{a.victim, a.namespace, "namespace="} {
				assert.NotContains(a.t, metrics, name)
			}
		},
	},
}

// strangers are connections from other addresses than that of the kubelet, which is 127.0.0.1.
type strangers struct {
	*attacker

	address string
	mu      sync.Mutex
	open    []net.Conn
}

// calm is the memory of the process before the first attack. Memory that was given to an attacker stays with the process
// for a while, so what was there before the second tells nothing.
var (
	oneAfterAnother sync.Mutex
	calm            float64
)

// alone has strangers do something, and shows that the process grows little and answers kubelets and scrapers meanwhile.
func (a *attacker) alone(do func(*strangers)) {
	a.t.Helper()
	oneAfterAnother.Lock()
	defer oneAfterAnother.Unlock()
	s := &strangers{attacker: a, address: strings.TrimPrefix(a.controller.URL(), "http://")}
	defer s.leave()
	if calm == 0 {
		calm = s.resident()
	}
	stop := make(chan struct{})
	var probes sync.WaitGroup
	var slowest time.Duration
	probes.Go(func() { slowest = s.probe(stop) })
	do(s)
	after := s.resident()
	close(stop)
	probes.Wait()
	a.t.Logf("%d MB before, %d MB with %d connections; the slowest probe took %s", int(calm/1e6), int(after/1e6), len(s.open), slowest.Round(time.Millisecond))
	assert.Less(a.t, after-calm, spare, "bytes")
}

// connect opens connections from the addresses in turn, and keeps them.
func (s *strangers) connect(number int, from ...string) []net.Conn {
	s.t.Helper()
	next := make(chan int)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for i := range next {
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from[i%len(from)])}, Timeout: time.Minute}
				conn, err := dialer.DialContext(s.t.Context(), "tcp", s.address)
				if err != nil {
					s.t.Errorf("connect: %v", err)
					continue
				}
				s.mu.Lock()
				s.open = append(s.open, conn)
				s.mu.Unlock()
			}
		})
	}
	for i := range number {
		next <- i
	}
	close(next)
	all.Wait()
	return s.open
}

func (s *strangers) leave() {
	for _, conn := range s.open {
		if tcp, is := conn.(*net.TCPConn); is {
			_ = tcp.SetLinger(0) // leaves no port in TIME_WAIT
		}
		_ = conn.Close()
	}
}

// probe asks as the kubelet does, on a new connection each, until it is stopped, and returns how long it took at the most.
func (s *strangers) probe(stop <-chan struct{}) (slowest time.Duration) {
	for {
		start := time.Now()
		for _, path := range []string{"/healthz", "/readyz"} {
			if _, err := s.ask(path, 5*time.Second); err != nil {
				s.t.Errorf("the kubelet: %v", err)
			}
		}
		slowest = max(slowest, time.Since(start))
		select {
		case <-stop:
			return slowest
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// resident is the memory of the process as a scraper is told.
func (s *strangers) resident() (bytes float64) {
	s.t.Helper()
	require.NoError(s.t, kit.Eventually(s.t.Context(), within, func(context.Context) error {
		text, err := s.ask("/metrics", 10*time.Second)
		if !assert.NoError(s.t, err, "a scraper") {
			return err
		}
		_, rest, found := strings.Cut(text, "\nprocess_resident_memory_bytes ")
		if !found {
			return errors.New("no memory is told")
		}
		_, err = fmt.Sscan(rest, &bytes)
		return err
	}))
	return bytes
}

func (s *strangers) ask(path string, patience time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.controller.URL()+path, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}
