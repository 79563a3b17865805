# Everything a machine needs besides Go is built or fetched here, as Go modules.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

BIN := $(CURDIR)/bin
GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
GOVULNCHECK_VERSION := v1.9.0
GOVULNCHECK := $(BIN)/govulncheck-$(GOVULNCHECK_VERSION)
HELM_DOCS_VERSION := v1.14.2
HELM_DOCS := $(BIN)/helm-docs-$(HELM_DOCS_VERSION)
VULNDB ?= https://vuln.go.dev
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMAGE ?= kube-aws-iam-controller
# What an image says of its origin: the commit and its time, which the same source has everywhere, and the address of the
# repository, which has to be given.
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
SOURCE ?=
# Where the archives of a release can be downloaded; a GitHub release of SOURCE by default.
DOWNLOAD_URL ?=
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)
ORIGIN = -version '$(VERSION)' -revision '$(REVISION)' -source '$(SOURCE)' -image '$(IMAGE)'
FUZZTIME ?= 1m

export CGO_ENABLED ?= 1

.PHONY: help
help: ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the controller, the credentials server and the kubectl plugin into bin/.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/ . ./cmd/credentials-server ./cmd/kubectl-aws_iam
	install -m 755 cmd/kubectl-aws_iam/completion/kubectl_complete-aws_iam $(BIN)/

.PHONY: demo
demo: ## See the main job done on a real API server, with AWS simulated. KEEP=1 stays up; KUBECONFIG=… uses that cluster.
	@echo "demo: what the controller promises, shown on a real API server with AWS simulated: about a minute and a half, some minutes more the first time"
	@cd test && go build -o $(BIN)/demo ./cmd/demo && exec $(BIN)/demo

# With a C compiler the unit tests run under the race detector.
RACE := $(if $(shell command -v $${CC:-cc} || command -v gcc),-race)
# The packages beside integration share no control plane with it, and run while it waits. Those of the controller and the plugin are
# what one waits for; the others are about what is built, installed, documented and attacked.
CONTROLLER := ./integration/ ./iam/ ./cluster/ ./rights/ ./plugin/ ./admission/ ./golden/
INTEGRATION := $(CONTROLLER) ./docs/ ./cmd/... ./bench/ ./upgrade/ ./image/ ./sbom/ ./attacks/ ./chart/ ./monitoring/
CONTROL_PLANE := go run ./cmd/controlplane

# Integration waits for processes more than it computes: unit tests, and lint in a full run, run beside it.
.PHONY: test
test: ## Run what one waits for: unit tests under the race detector, and the controller and plugin on a real API server.
	@echo "test: five to eight minutes on two cores that have nothing else to do, and ten more the first time"
	@$(MAKE) --no-print-directory --jobs=2 race integration

.PHONY: test-full
test-full: ## Run everything: also lint, floods, attacks, images, charts, documentation, upgrades and quiet minutes; 40 minutes.
	@$(MAKE) --no-print-directory --jobs=2 lint-race integration-full

.PHONY: lint-race
lint-race: lint
	@$(MAKE) --no-print-directory race

.PHONY: unit
unit: ## Run the unit tests, fuzz seeds included, without the race detector.
	go test ./...

.PHONY: race
race: ## Run the unit tests, fuzz seeds included, under the race detector (where there is a C compiler).
	@$(if $(RACE),,echo "race: without the race detector, which needs a C compiler")
	go test $(RACE) ./...

.PHONY: integration
integration: ## Run the controller and the plugin against a real API server and simulated AWS, but for what is slow by its nature.
	cd test && $(CONTROL_PLANE) go test -short -count=1 -timeout 20m -p 2 -parallel 12 $(CONTROLLER)

.PHONY: integration-full
integration-full: ## Run all tests that need more than Go.
	cd test && $(CONTROL_PLANE) go test -count=1 -timeout 45m -p 2 -parallel 8 $(INTEGRATION)

# The newest is the release of go.mod, which all other tests have.
OLDEST := 1.30.14
COMPAT = cd test && go test -count=1 -timeout 12h -v ./compat/

.PHONY: compat
compat: ## Install the chart on each supported release of Kubernetes, built from source, and write docs/compatibility.md. RELEASES="1.30.14 …" for some.
	@echo "compat: a minute for each release, and six more to build it the first time, on two cores that have nothing else to do"
	$(COMPAT) -update -releases '$(or $(RELEASES),all)'

.PHONY: compat-check
compat-check: ## Hold the oldest and the newest release of Kubernetes against docs/compatibility.md.
	@echo "compat: the oldest and the newest release; two minutes, and six more to build the oldest the first time"
	$(COMPAT) -releases '$(OLDEST) newest'

.PHONY: e2e
e2e: ## Run what is shipped on a real node: image, manifests, pods. Needs root on Linux; installs Debian packages.
	@echo "e2e: a control plane, a node and two installations; five minutes, and two more the first time"
	cd test && go run ./cmd/controlplane -build-only && go test -count=1 -timeout 30m -v ./e2e/

SDKS = cd test && go run ./cmd/controlplane -build-only && go test -count=1 -timeout 30m -v ./sdks/

.PHONY: sdks
sdks: ## Run real AWS SDKs as containers are given their credentials. Installs packages of Debian, Maven, npm and PyPI.
	@echo "sdks: eleven AWS SDKs, each with every delivery; five minutes. What cannot be downloaded is NOT RUN"
	$(SDKS) $(if $(ARGS),-args $(ARGS))

.PHONY: sdks-full
sdks-full: ## The same and the one for Rust, which is built for some minutes. ARGS=-update writes docs/sdks.md.
	$(SDKS) -args -full $(ARGS)

.PHONY: image
image: ## Make the container image for all platforms, with SBOMs, without Docker, into bin/. PLATFORM=… makes one for docker load.
	cd test && go run ./cmd/image $(ORIGIN) $(if $(PLATFORM),\
	  -docker -platforms $(PLATFORM) -o $(BIN)/kube-aws-iam-controller.tar,\
	  -o $(BIN)/kube-aws-iam-controller-image.tar)

.PHONY: push
push: ## Make the same image, and push it to the registry in IMAGE=….
	cd test && go run ./cmd/image $(ORIGIN) -push

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters, on both modules.
	$(GOLANGCI_LINT) run ./...
	cd test && $(GOLANGCI_LINT) run --config ../.golangci.yml ./...

$(GOLANGCI_LINT):
	@echo "lint: building golangci-lint $(GOLANGCI_LINT_VERSION); two to three minutes the first time"
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/golangci-lint $@

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (1m).
	@for pkg in $$(go list ./...); do \
	  for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "fuzz: $$pkg $$name for $(FUZZTIME)"; \
	    go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$pkg; \
	  done; \
	done

.PHONY: cover
cover: ## Show the coverage of the unit tests.
	go test -coverprofile=cover.out ./... && go tool cover -func=cover.out | tail -1

.PHONY: bench
bench: ## Measure, against a bare loop in the same run, and write docs/benchmarks.md. ONLY=memory,single for some, ARGS=-long-runs=3 for more figures.
	@echo "bench: an hour and a half, on cores that have nothing else to do"
	cd test && go run ./bench -o ../docs/benchmarks.md -only '$(ONLY)' $(ARGS)

.PHONY: bench-allocs
bench-allocs: ## Run the Go benchmarks of what runs most often, and write docs/allocations.md.
	cd test && go run ./cmd/allocations -o ../docs/allocations.md

.PHONY: docs
docs: ## Write docs/aws-calls.md as it is counted, docs/permissions.md as it is verified, and the attacks of docs/security.md.
	cd test && go run ./cmd/controlplane -build-only && go test -count=1 -run TestCallsOfAWSAreAsDocumented ./integration/ -update
	cd test && go test -count=1 ./rights/ -update
	cd test && go test -count=1 -run TestTheAttacksAreDocumented ./attacks/ -update

.PHONY: chart
chart: $(HELM_DOCS) ## Make what the Helm chart has of manifests/, its schema and its README.
	cd test && go run ./cmd/chart
	$(HELM_DOCS) --log-level warning --sort-values-order file --chart-search-root charts

$(HELM_DOCS):
	GOBIN=$(BIN) go install github.com/norwoodj/helm-docs/cmd/helm-docs@$(HELM_DOCS_VERSION)
	mv $(BIN)/helm-docs $@

.PHONY: alerts
alerts: ## Write what the component monitoring has of charts/…/monitoring: alerts and dashboard.
	cd test && go test -count=1 -run TestTheComponentHas ./monitoring/ -update

.PHONY: verify
verify: ## Check that modules, formatting, generated docs, manifests, the chart and examples are up to date.
	go mod tidy -diff
	cd test && go mod tidy -diff
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "verify: gofmt would change: $$unformatted"; exit 1; fi
	$(MAKE) lint
	go vet ./...
	cd test && go vet ./...
	$(MAKE) unit
	@echo "verify: the command release, and every kustomization of manifests and examples"
	cd test && go test -count=1 ./cmd/...
	@echo "verify: the chart, as it is made and against what kustomize builds"
	$(MAKE) chart
	cd test && go test -count=1 -run 'TestTheComponentHas' ./monitoring/
	@echo "verify: docs that tests write, and examples at a real API server; a minute or two"
	cd test && go run ./cmd/controlplane -build-only >/dev/null
	cd test && go test -count=1 -run 'TestTheChart|TestWhatIsMade|TestValues|TestHelmLint' ./chart/
	cd test && go test -count=1 -run 'TestRightsAreAsDocumented' ./rights/
	cd test && go test -count=1 -run 'TestTheAttacksAreDocumented' ./attacks/
	cd test && go test -count=1 -run 'TestCallsOfAWSAreAsDocumented' ./integration/
	cd test && go test -count=1 -run 'TestTheAPIServerAcceptsTheExamples' ./admission/
	git diff --exit-code

.PHONY: vulncheck
vulncheck: $(GOVULNCHECK) ## Look for known vulnerabilities, on both modules. Needs the Go vulnerability database.
	@if ! curl -fsS --max-time 20 -o /dev/null $(VULNDB)/index/db.json; then \
	  echo "vulncheck: NOT CHECKED: the vulnerability database $(VULNDB) cannot be reached from here"; \
	else set -x; \
	  $(GOVULNCHECK) -db $(VULNDB) ./...; \
	  (cd test && $(GOVULNCHECK) -db $(VULNDB) ./...); \
	fi

$(GOVULNCHECK):
	GOBIN=$(BIN) go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(BIN)/govulncheck $@

.PHONY: release
release: ## Make what a release consists of into dist/, twice, with the same bytes. IMAGE=… names the image in the manifests.
	cd test && go run ./cmd/release $(ORIGIN) -download '$(DOWNLOAD_URL)' -o ../dist
