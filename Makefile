# Few words: demo, test, check, docs. Needs rustup's Rust 1.95.0 and, for everything else, a Debian
# machine; as root it installs what is missing.
.PHONY: demo drill test check docs

demo: ## a whole emergency on a fleet of real sshd hosts; leaves the report and the verified record in target/demo
	@scripts/need openssh-server openssh-client iproute2 git
	cargo build --locked --bins
	@scripts/demo

drill: ## rehearse the emergency on a throw-away fleet, against the target of 15 minutes
	@scripts/need openssh-server openssh-client iproute2 git
	cargo build --locked --bins
	@scripts/drill

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
