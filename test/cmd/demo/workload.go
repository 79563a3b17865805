package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// podTime is an environment variable: how long the program in the pod works, and podSessions how many sessions it has
// to see by then.
const (
	podTime     = "DEMO_POD_TIME"
	podSessions = "DEMO_POD_SESSIONS"
)

// workload is an ordinary program that uses AWS: it knows nothing of the controller. One client lives through all
// sessions. It never prints credentials.
func workload(ctx context.Context, stdout io.Writer) error {
	work, err := time.ParseDuration(os.Getenv(podTime))
	if err != nil {
		return fmt.Errorf("%s: %w", podTime, err)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	client := sts.NewFromConfig(cfg)
	calls, sessions, last := 0, 0, ""
	for begin := time.Now(); ; {
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return fmt.Errorf("call %d: %w", calls+1, err)
		}
		calls++
		creds, err := cfg.Credentials.Retrieve(ctx) // from the SDK's cache: what the call was made with
		if err != nil {
			return err
		}
		if creds.AccessKeyID != last {
			sessions++
			last = creds.AccessKeyID
			fmt.Fprintf(stdout, "session %d of the SDK, for another %.0f s: I am %s\n",
				sessions, time.Until(creds.Expires).Seconds(), aws.ToString(out.Arn))
		}
		if time.Since(begin) >= work {
			fmt.Fprintf(stdout, "calls: %d, sessions: %d, failures: 0\n", calls, sessions)
			return enough(sessions)
		}
		if !pause(ctx, min(work, 250*time.Millisecond)) {
			return ctx.Err()
		}
	}
}

func enough(sessions int) error {
	var want int
	if _, err := fmt.Sscan(os.Getenv(podSessions), &want); err != nil {
		return fmt.Errorf("%s: %w", podSessions, err)
	}
	if sessions < want {
		return fmt.Errorf("the program has seen %d sessions, not %d", sessions, want)
	}
	return nil
}

// pause waits that long, and returns false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
