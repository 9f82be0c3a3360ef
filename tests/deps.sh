#!/bin/sh
# Installs what the tests need from a package manager, where it is missing; does nothing the second time.
set -eu
cargo_deny=$1

can_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]
}

install() {
    apt-get update -qq
    apt-get install -y --no-install-recommends "$1"
}

has_nginx() {
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]
}

if ! python3 -c 'import ensurepip, venv' 2>/dev/null && can_install; then
    install python3-venv
fi
if ! has_nginx && can_install; then
    install nginx
    # Only the program is wanted; the tests start it themselves.
    if [ -d /run/systemd/system ]; then systemctl disable --now nginx; fi
fi
if ! has_nginx; then
    echo "missing: nginx, without which tests of downloads fail. On Debian and Ubuntu: apt-get install nginx" >&2
fi
if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $cargo_deny" ]; then
    echo "installing cargo-deny $cargo_deny, some minutes once" >&2
    cargo install --quiet --locked cargo-deny --version "$cargo_deny"
fi
