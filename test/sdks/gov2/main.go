// Command gov2 calls STS with the AWS SDK for Go v2, once for each line it reads.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	client := sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = aws.String(os.Getenv("ENDPOINT")) })
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var out *sts.GetCallerIdentityOutput
		if err == nil {
			out, err = client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		}
		if err != nil {
			fmt.Printf("error %q\n", err) //nolint:forbidigo // the answer
			err = nil
			continue
		}
		fmt.Println("ok", aws.ToString(out.Arn)) //nolint:forbidigo // the answer
	}
}
