// Command client is a program in a pod that uses AWS: one client of the AWS SDK, for as long as it runs. It prints a line
// when it begins, whenever it is somebody else, for every call that fails, and how many calls there were when it is told to end.
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
	defer stop()
	fmt.Println("begins")                                                     //nolint:forbidigo // its log is what it is for
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1)) // what fails is to be seen
	if err != nil {
		fmt.Println("FAILED:", err) //nolint:forbidigo // its log is what it is for
		return
	}
	client := sts.NewFromConfig(cfg)
	calls, sessions, last := 0, 0, ""
	for ctx.Err() == nil {
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		creds, err2 := cfg.Credentials.Retrieve(ctx) // from the SDK's cache
		calls++
		switch {
		case ctx.Err() != nil:
		case err != nil || err2 != nil:
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
	fmt.Println("ended after", calls, "calls") //nolint:forbidigo // its log is what it is for
}
