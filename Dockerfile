# The image that "make image" makes without Docker: the controller, the sidecar and the
# kubectl plugin, the certificate authorities that the world trusts, and nothing else.
#
# What builds is named by its digest, an index of all platforms, because a tag can
# come to mean another image. This is 1.26.8. For another:
# --build-arg GOLANG_IMAGE=golang:…@sha256:…
ARG GOLANG_IMAGE=golang:1.26.8@sha256:3c3e25a4da13fd0478eed2df1eb35a0e667094a7124d3993a6a1d30f71c17e79
# BuildKit, and others that build for other platforms, set BUILDPLATFORM. Those that
# do not build for their own: on another than this, give it as a --build-arg.
FROM --platform=${BUILDPLATFORM:-linux/amd64} $GOLANG_IMAGE AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Where these are empty, go builds for where it runs.
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/ . ./cmd/credentials-server ./cmd/kubectl-aws_iam

FROM scratch
ARG VERSION=unknown
ARG REVISION
LABEL org.opencontainers.image.title="kube-aws-iam-controller"
LABEL org.opencontainers.image.description="Gives each Kubernetes ServiceAccount its own AWS IAM role"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="$VERSION"
LABEL org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/kube-aws-iam-controller /kube-aws-iam-controller
COPY --from=build /out/credentials-server /credentials-server
COPY --from=build /out/kubectl-aws_iam /kubectl-aws_iam
USER 65532:65532
ENTRYPOINT ["/kube-aws-iam-controller"]
