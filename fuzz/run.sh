#!/bin/sh
# Fuzzes each target for so many seconds: run.sh CARGO_FUZZ_VERSION SECONDS FOLDER
# What is found goes to FOLDER; what fails, to fuzz/artifacts.
set -eu
cargo_fuzz=$1 seconds=$2 folder=$3
cd "$(dirname "$0")"

if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $cargo_fuzz" ]; then
    echo "installing cargo-fuzz $cargo_fuzz, a minute once" >&2
    cargo install --quiet --locked cargo-fuzz --version "$cargo_fuzz"
fi
# What is fuzzed is what ships.
cp ../Cargo.lock Cargo.lock
# No sanitizer: they need a nightly compiler, and look for errors that safe code cannot have.
built="--sanitizer none --target-dir $folder/target"
cargo fuzz build $built
for target in $(cargo fuzz list); do
    mkdir -p "$folder/$target"
    cargo fuzz run $built "$target" "$folder/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0
done
