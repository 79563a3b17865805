# The image that "make image" makes without Docker: both programs, the
# certificate authorities that the world trusts, and nothing else.
FROM --platform=$BUILDPLATFORM golang:1.26 AS build
ARG TARGETOS TARGETARCH VERSION=unknown
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/ . ./cmd/credentials-server

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/kube-aws-iam-controller /kube-aws-iam-controller
COPY --from=build /out/credentials-server /credentials-server
USER 65532:65532
ENTRYPOINT ["/kube-aws-iam-controller"]
