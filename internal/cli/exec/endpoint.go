package exec

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"

	"kube-aws-iam-controller/internal/credserver"
)

// An endpoint serves credentials to whoever has its token.
type endpoint struct {
	url, token string
	server     *http.Server
}

// serve opens an endpoint on a loopback address, which other users of the machine can reach
// as well, but cannot use without the token. It is open until close.
func serve(ctx context.Context, get func(context.Context) (*credserver.Credentials, error)) (*endpoint, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", loopback+":0")
	if err != nil {
		return nil, fmt.Errorf("serve the credentials on a loopback address: %w", err)
	}
	token := rand.Text()
	e := &endpoint{
		url:    "http://" + listener.Addr().String() + credserver.CredentialsPath,
		token:  token,
		server: credserver.NewServer(credserver.NewHandler(token, get)),
	}
	go func() { _ = e.server.Serve(listener) }() // until close
	return e, nil
}

func (e *endpoint) close() { _ = e.server.Close() }
