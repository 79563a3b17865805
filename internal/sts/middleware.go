package sts

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"kube-aws-iam-controller/internal/awserr"
)

// observeAttempts adds middleware around each attempt of a request, because
// operators have to see throttling that a retry hides.
func observeAttempts(observe func(service, operation, code string, took time.Duration)) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ObserveTry", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			start := time.Now()
			out, metadata, err := next.HandleDeserialize(ctx, in)
			observe(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), awserr.Code(err), time.Since(start))
			return out, metadata, err
		}), middleware.Before)
	}
}

// allowAttempts adds middleware that fails each attempt of a request for which
// allowed returns an error.
func allowAttempts(allowed func() error) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("AllowTry", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			if err := allowed(); err != nil {
				return middleware.DeserializeOutput{}, middleware.Metadata{}, &awserr.PlainError{Message: err.Error(), Err: err}
			}
			return next.HandleDeserialize(ctx, in)
		}), middleware.Before)
	}
}
