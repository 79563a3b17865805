// Command credentials-server runs beside a pod's containers and serves them the
// credentials of their ServiceAccount, from the Secret that is mounted, as the
// container credentials provider of every AWS SDK asks for them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

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

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var address, directory string
	helped := false
	app := kingpin.New("credentials-server", "Serves the credentials in a mounted Secret to the containers of its pod.")
	app.UsageWriter(stdout).ErrorWriter(stderr).Terminate(func(int) { helped = true })
	app.Flag("listen-address", "Loopback address to serve on.").Default("127.0.0.1:9911").Envar("CREDENTIALS_SERVER_LISTEN_ADDRESS").StringVar(&address)
	app.Flag("directory", "Where the Secret is mounted.").Default("/meta/aws-iam").Envar("CREDENTIALS_SERVER_DIRECTORY").StringVar(&directory)
	app.Command("serve", "Serve. This is the default.").Default()
	probing := app.Command("probe", "Exit with 0 if credentials are served on the address, as a probe of the kubelet: nothing outside the pod reaches loopback.")
	printing := app.Command("version", "Print the version.")
	command, err := app.Parse(args)
	switch {
	case helped:
		return exitOK
	case err == nil && command == printing.FullCommand():
		fmt.Fprintln(stdout, version)
		return exitOK
	case err == nil:
		err = checkLoopback(address)
	}
	if err != nil {
		fmt.Fprintln(stderr, "credentials-server:", err)
		return exitUsage
	}
	if command == probing.FullCommand() {
		err = probe(ctx, address)
	} else {
		err = serve(ctx, address, directory, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "credentials-server:", err)
		return exitError
	}
	return exitOK
}

// checkLoopback keeps credentials from being served to a network.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("--listen-address: %q is not a loopback address: give one such as 127.0.0.1:9911", address)
	}
	return nil
}

func serve(ctx context.Context, address, directory string, stderr io.Writer) error {
	// Each pod has one of these: collect early rather than grow.
	debug.SetGCPercent(50)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           credserver.NewStore(directory).Handler(),
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
