// Command credentials-server runs beside a pod's containers and serves them the
// credentials of their ServiceAccount, from the Secret that is mounted, as the
// container credentials provider of every AWS SDK asks for them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"kube-aws-iam-controller/internal/credserver"
)

// version is set at link time.
var version = "unknown"

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// patience is how long a request may take. Nothing here waits for anything.
const patience = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:forbidigo // this is main
}

const usage = `Serves the credentials in a mounted Secret to the containers of its pod.

  credentials-server [flags]          serve
  credentials-server [flags] probe    exit with 0 if credentials are served on the address: nothing outside the
                                      pod reaches loopback, so this is the kubelet's probe
  credentials-server version          print the version

Flags, each also an environment variable:
`

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	// The standard library's flags: more would be a tenth of its memory.
	flags := flag.NewFlagSet("credentials-server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	address := flags.String("listen-address", setting("CREDENTIALS_SERVER_LISTEN_ADDRESS", "127.0.0.1:9911"),
		"loopback `address` to serve on (CREDENTIALS_SERVER_LISTEN_ADDRESS)")
	directory := flags.String("directory", setting("CREDENTIALS_SERVER_DIRECTORY", "/meta/aws-iam"),
		"`path` where the Secret is mounted (CREDENTIALS_SERVER_DIRECTORY)")
	podUID := flags.String("pod-uid", os.Getenv("POD_UID"),
		"`UID` of the pod, which the header Authorization of requests has to be. The Secret's authorization-token is accepted as well (POD_UID)")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // it has been said
	}
	err := checkLoopback(*address)
	command := strings.Join(flags.Args(), " ")
	switch {
	case command == "version":
		fmt.Fprintln(stdout, version)
		return exitOK
	case err == nil && command != "" && command != "probe":
		err = fmt.Errorf("%q is not a command, see --help", command)
	}
	if err != nil {
		fmt.Fprintln(stderr, "credentials-server:", err)
		return exitUsage
	}
	if command == "probe" {
		err = probe(ctx, *address)
	} else {
		err = serve(ctx, *address, *directory, *podUID, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "credentials-server:", err)
		return exitError
	}
	return exitOK
}

func setting(variable, otherwise string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return otherwise
}

// checkLoopback keeps credentials from being served to a network.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--listen-address: %q is not a loopback address: give one such as 127.0.0.1:9911", address)
	}
	return nil
}

func serve(ctx context.Context, address, directory, podUID string, stderr io.Writer) error {
	// Each pod has one of these: collect early rather than grow.
	debug.SetGCPercent(20)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           credserver.NewStore(directory, podUID).Handler(),
		ReadHeaderTimeout: patience,
		ReadTimeout:       patience,
		WriteTimeout:      patience,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	fmt.Fprintf(stderr, "credentials-server %s: serving %s on %s\n", version, directory, listener.Addr())
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(brief) // what is left after that ends with the process
		close(stopped)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// probe returns nil if credentials are served.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+credserver.ReadyPath, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("%s: %s", response.Status, why)
	}
	return nil
}
