#!/bin/sh
# Checks what must be there to build and to run the tests and the demo, all at once, and says how to get what is missing.
missing=0

need() { # what, remedy, command that succeeds when it is there
    what=$1 remedy=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        echo "missing: $what. $remedy" >&2
        missing=1
    fi
}

# Since 1.21 an older Go fetches the version that a module wants.
go_is_new_enough() {
    version=$(go env GOVERSION) && minor=$(echo "$version" | sed -n 's/^go1\.\([0-9]*\).*/\1/p') && [ "${minor:-0}" -ge 21 ]
}

need "rustup (the toolchain comes from rust-toolchain.toml)" "Install it as https://rustup.rs says" rustup --version
need "Go 1.21 or newer" "Install it as https://go.dev/doc/install says" go_is_new_enough
need "Python 3.10 or newer" "On Debian and Ubuntu: apt-get install python3" \
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'
need "Python's venv" "On Debian and Ubuntu: apt-get install python3-venv" python3 -c 'import ensurepip, venv'
need "a C compiler (cc)" "On Debian and Ubuntu: apt-get install gcc libc6-dev" cc --version
need "setpriv" "On Debian and Ubuntu: apt-get install util-linux" setpriv --version
exit $missing
