// Command client is a program in a pod that uses AWS: one client of the AWS SDK, for as long as it runs. It prints a line
// when it begins, whenever it is somebody else, and for every call that fails. If none has, its exit code is 0 when it is told
// to end.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// pause is between two calls.
const pause = 200 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed := run(ctx)
	stop()
	if failed {
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// run calls until the context is done, and reports whether a call has failed.
func run(ctx context.Context) (failed bool) {
	fmt.Println("begins")                                                     //nolint:forbidigo // its log is what it is for
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1)) // what fails is to be seen
	if err != nil {
		fmt.Println("FAILED:", err) //nolint:forbidigo // its log is what it is for
		return true
	}
	client := sts.NewFromConfig(cfg)
	sessions, last := 0, ""
	for ctx.Err() == nil {
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		creds, err2 := cfg.Credentials.Retrieve(ctx) // from the SDK's cache
		switch {
		case ctx.Err() != nil:
		case err != nil || err2 != nil:
			failed = true
			fmt.Println("FAILED:", err, err2) //nolint:forbidigo // its log is what it is for
		case creds.AccessKeyID != last:
			sessions++
			last = creds.AccessKeyID
			fmt.Println("session", sessions, "is", aws.ToString(out.Arn)) //nolint:forbidigo // its log is what it is for
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause): //nolint:forbidigo // it ends with the program
		}
	}
	return failed
}
