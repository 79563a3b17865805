package awserr

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/smithy-go"
)

// ownCredentialsCodes are those of a request whose signature AWS does not accept, so
// that it does not look at what is asked for. The remedies speak of the same ones:
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html.
var ownCredentialsCodes = slices.Concat(clockCodes, signatureCodes, expiredCodes, unknownKeyCodes, unsignedCodes, notSignedUpCodes)

// IsOutage reports whether a request failed for what would have failed any other one,
// too: AWS did not answer, or only that it cannot, or the controller has no valid
// credentials. Throttling is none: AWS works, and is asked too often.
func IsOutage(err error) bool {
	if _, own := errors.AsType[*CredentialsError](err); own {
		return true
	}
	if _, requested := errors.AsType[*smithy.OperationError](err); !requested {
		return false // such as one that waited too long for its turn
	}
	answer, _, answered := Answer(err)
	if !answered {
		_, _, known := classify(err)
		return known && !errors.Is(err, context.Canceled)
	}
	response, is := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	return is && response.HTTPStatusCode() >= http.StatusInternalServerError || slices.Contains(ownCredentialsCodes, answer.ErrorCode())
}
