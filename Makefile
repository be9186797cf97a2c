# What CI runs is `make check`; what a newcomer runs first is `make demo`.
GO          ?= go
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 3s
DEMO        ?= demo

.PHONY: build test race lint fuzz golden bench check demo clean help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: ## build bin/export2batch
	$(GO) build -trimpath -o bin/export2batch ./cmd/export2batch

test: ## run all tests
	$(GO) test ./...

race: ## run all tests with the race detector
	$(GO) test -race ./...

lint: ## gofmt, vet, staticcheck, go mod tidy
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "fuzz $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
		done; \
	done

golden: ## rewrite the fixtures and golden files
	$(GO) test ./fixtures ./cmd/export2batch ./validate -update

bench: build ## time whole commands over a generated export of 1 500 000 events
	GO='$(GO)' ./bench/run.sh bin/export2batch

check: build lint test race fuzz ## all of CI

demo: build ## a small export through every stage into the embedded sandbox
	rm -rf $(DEMO)
	bin/export2batch generate -o $(DEMO)/export.zip --events 20000
	bin/export2batch run -w $(DEMO)/work $(DEMO)/export.zip

clean: ## remove what the targets made
	rm -rf bin $(DEMO)
