# Few words: demo, test, check, docs. Needs rustup's Rust 1.95.0 and, for everything else, a Debian
# machine; as root it installs what is missing.
.PHONY: demo test check docs

demo: ## boot a fleet of real sshd hosts, scan it, say who is vulnerable; cleans up after itself
	@scripts/need openssh-server openssh-client iproute2 git
	cargo build --locked --bins
	@scripts/demo

test: ## everything: formatting, lints, unit, property, store and end-to-end tests
	@scripts/need openssh-server openssh-client iproute2 postgresql dash busybox git sudo opendoas libsqlite3-0
	@scripts/need-ntfy
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@scripts/test

check: ## the quick part: formatting and lints
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

docs: ## write docs/reference anew from what the program says of itself
	IFRIT_UPDATE=1 cargo test --locked -p ifrit --test it reference
