// Command gov1 calls STS with the AWS SDK for Go v1, once for each line it reads.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go/aws"         //nolint:staticcheck // old, and in use
	"github.com/aws/aws-sdk-go/aws/session" //nolint:staticcheck // old, and in use
	"github.com/aws/aws-sdk-go/service/sts" //nolint:staticcheck // old, and in use
)

func main() {
	client := sts.New(session.Must(session.NewSession()), &aws.Config{Endpoint: new(os.Getenv("ENDPOINT"))})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		out, err := client.GetCallerIdentity(&sts.GetCallerIdentityInput{})
		if err != nil {
			fmt.Printf("error %q\n", err) //nolint:forbidigo // the answer
			continue
		}
		fmt.Println("ok", aws.StringValue(out.Arn)) //nolint:forbidigo // the answer
	}
}
