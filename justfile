# Short names for the usual commands; `just` lists them.

default:
    @just --list

# Prepare this machine
setup *options:
    scripts/setup {{options}}

# Show the main job on real input
demo *options:
    scripts/demo {{options}}

# Everything that must hold before a change goes in
test:
    scripts/test

# Fast checks while editing
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo test --lib
    cargo test -p repo-checks

# Speed of the single stages, and of the whole chain on a 1080p clip
bench:
    cargo bench
    cargo run --release -p menshen-bench -- frames

# Licences, advisories and sources of dependencies; builds cargo-deny once
deny:
    scripts/deny
