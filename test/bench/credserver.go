package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"kube-aws-iam-controller/test/cluster"
	system "kube-aws-iam-controller/test/kit"
)

const (
	serverToken   = "a-token-as-long-as-the-real-one-is-0123456789"
	serverClients = 8
	// serverAnswer is about as long as the credentials of STS.
	serverAnswer = `{"Version":1,"AccessKeyId":"ASIAXXXXXXXXXXXXXXXX","SecretAccessKey":"0123456789012345678901234567890123456789","SessionToken":"%s","Expiration":"2999-01-01T00:00:00Z"}`
)

// credentialsServer measures the sidecar, and a server that answers the same bytes without looking.
func (b *bench) credentialsServer(ctx context.Context, size sizes, r *report) error {
	dir := filepath.Join(b.dir, "secret")
	binary := filepath.Join(b.dir, "credentials-server")
	if err := errors.Join(os.Mkdir(dir, 0o700), buildServer(ctx, binary)); err != nil {
		return err
	}
	answer := fmt.Sprintf(serverAnswer, string(slices.Repeat([]byte("x"), 900)))
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "credentials.json"), []byte(answer), 0o600),
		os.WriteFile(filepath.Join(dir, "authorization-token"), []byte(serverToken), 0o600),
	); err != nil {
		return err
	}
	port, err := cluster.FreePort(ctx)
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	process, err := cluster.StartProcess(cluster.Command{
		Name: "credentials-server", Path: binary, Args: []string{"--directory=" + dir, "--listen-address=" + address}, Log: binary + ".log",
	})
	if err != nil {
		return err
	}
	defer process.Kill()
	if err = system.Eventually(ctx, time.Minute, func(ctx context.Context) error { return ask(ctx, &http.Client{}, address) }); err != nil {
		return err
	}
	bareAddress, stop, err := bareServer(ctx, answer)
	if err != nil {
		return err
	}
	defer stop()
	b.say("requests to a bare server for %s, then to credentials-server", size.serving)
	bare, err := load(ctx, bareAddress, size.serving)
	if err != nil {
		return err
	}
	served, err := load(ctx, address, size.serving)
	if err != nil {
		return err
	}
	memory, err := residentOf(process.PID())
	if err != nil {
		return err
	}
	r.add(memory <= 10<<20, "credentials-server: resident memory, after the requests below", "10 MiB", "%.1f MiB", float64(memory)/(1<<20))
	r.add(served.rate >= 5000, fmt.Sprintf("credentials-server: requests a second, %d clients", serverClients), "5000",
		"%.0f (a bare server %.0f); median %.2f ms, 99th percentile %.2f ms", served.rate, bare.rate, ms(served.median), ms(served.high))
	return nil
}

// residentOf returns how much memory a process has, in bytes: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html.
func residentOf(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var all, pages int
	if _, err = fmt.Sscan(string(text), &all, &pages); err != nil {
		return 0, fmt.Errorf("read statm: %w", err)
	}
	return pages * os.Getpagesize(), nil
}

func buildServer(ctx context.Context, binary string) error {
	root, err := cluster.Root()
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/credentials-server") //nolint:gosec // a program of ours
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build credentials-server: %w: %s", err, out)
	}
	return nil
}

// bareServer answers the same to everybody.
func bareServer(ctx context.Context, answer string) (address string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

// loaded is what came of many requests.
type loaded struct {
	spread

	rate float64
}

// load sends requests from several clients at once.
func load(ctx context.Context, address string, length time.Duration) (loaded, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var (
		mu      sync.Mutex
		times   []time.Duration
		failed  error
		clients sync.WaitGroup
	)
	for range serverClients {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			var own []time.Duration
			for ctx.Err() == nil {
				start := time.Now()
				err := ask(ctx, client, address)
				if err != nil && ctx.Err() == nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, own...)
		})
	}
	clients.Wait()
	if failed != nil || len(times) == 0 {
		return loaded{}, fmt.Errorf("%d requests: %w", len(times), failed)
	}
	slices.Sort(times)
	return loaded{spread{median: times[len(times)/2], high: times[len(times)*99/100]}, float64(len(times)) / length.Seconds()}, nil
}

func ask(ctx context.Context, client *http.Client, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v1/credentials", http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", serverToken)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return err
}
