package sts

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"kube-aws-iam-controller/internal/awserr"
)

// observing returns what puts a middleware in front of each try of a request:
// throttling that a retry hides is what an operator has to see.
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

// allowing returns what puts a middleware in front of each try of a request that
// lets none through once allowed returns an error.
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
