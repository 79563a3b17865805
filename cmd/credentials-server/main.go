// Command credentials-server is a sidecar that serves the credentials of the pod's
// ServiceAccount, from a mounted Secret, to the container credentials provider of the
// AWS SDKs.
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

// probeTimeout bounds the request of a probe.
const probeTimeout = 5 * time.Second

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

// options are the command line.
type options struct {
	address, directory, podUID string
	// command is "" to serve.
	command string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage // package flag has printed the error
	case opts.command == "version":
		fmt.Fprintln(stdout, version)
		return exitOK
	}
	if err = opts.check(); err != nil {
		fmt.Fprintln(stderr, "credentials-server:", err)
		return exitUsage
	}
	if opts.command == "probe" {
		err = probe(ctx, opts.address)
	} else {
		err = serve(ctx, opts.address, opts.directory, opts.podUID, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "credentials-server:", err)
		return exitError
	}
	return exitOK
}

// parse reads flags and command. It prints usage and errors to stderr. Package flag keeps
// memory low: a larger flag library would add a tenth to the process.
func parse(args []string, stderr io.Writer) (opts options, err error) {
	flags := flag.NewFlagSet("credentials-server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&opts.address, "listen-address", setting("CREDENTIALS_SERVER_LISTEN_ADDRESS", "127.0.0.1:9911"),
		"loopback `address` to serve on (CREDENTIALS_SERVER_LISTEN_ADDRESS)")
	flags.StringVar(&opts.directory, "directory", setting("CREDENTIALS_SERVER_DIRECTORY", "/meta/aws-iam"),
		"`path` where the Secret is mounted (CREDENTIALS_SERVER_DIRECTORY)")
	flags.StringVar(&opts.podUID, "pod-uid", os.Getenv("POD_UID"),
		"`UID` of the pod, which the header Authorization of requests has to be. The Secret's authorization-token is accepted as well (POD_UID)")
	err = flags.Parse(args)
	opts.command = strings.Join(flags.Args(), " ")
	return opts, err
}

// check returns an error for an address or a command that is invalid.
func (o *options) check() error {
	if err := checkLoopback(o.address); err != nil {
		return err
	}
	if o.command != "" && o.command != "probe" {
		return fmt.Errorf("%q is not a command, see --help", o.command)
	}
	return nil
}

// setting returns an environment variable, or a default if it is unset or empty.
func setting(variable, otherwise string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return otherwise
}

// checkLoopback rejects addresses that are reachable from outside the pod.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--listen-address: %q is not a loopback address: give one such as 127.0.0.1:9911", address)
	}
	return nil
}

// serve serves the credentials in directory until ctx is done.
func serve(ctx context.Context, address, directory, podUID string, stderr io.Writer) error {
	// Every pod runs this process: trade garbage collection for memory.
	debug.SetGCPercent(20)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := credserver.NewServer(credserver.NewStore(directory, podUID).Handler())
	fmt.Fprintf(stderr, "credentials-server %s: serving %s on %s\n", version, directory, listener.Addr())
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(brief) // requests left after the timeout end with the process
		close(stopped)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// probe returns nil if the server on address has valid credentials.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
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
