#!/usr/bin/env bash
# Builds every fuzz target and runs each for a bounded time, as many at once as there are cores (two at most). Installs
# nightly Rust and cargo-fuzz where they are missing. Fails where a target finds something or hardly ran.
#
#   TAHQ_FUZZ_SECONDS=N      seconds for each target (45)
#   TAHQ_FUZZ_SANITIZER=S    address (the default) or none, several times as fast
#   TAHQ_FUZZ_TARGETS="A B"  these targets only, in this order
#   TAHQ_FUZZ_LOG=FOLDER     where logs, corpora and findings go
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${TAHQ_FUZZ_SECONDS:-45}
sanitizer=${TAHQ_FUZZ_SANITIZER:-address}
target=${CARGO_TARGET_DIR:-$PWD/target}
log=${TAHQ_FUZZ_LOG:-$target/fuzz-log}
mkdir -p "$log"
log=$(cd "$log" && pwd)

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
cargo +nightly --version
cargo fuzz --version >/dev/null 2>&1 || env -u CARGO_TARGET_DIR cargo install cargo-fuzz --locked
cargo fuzz --version

mapfile -t all < <(cargo fuzz list)
((${#all[@]} >= 6)) || fail "cargo fuzz lists only ${#all[@]} targets"
for name in "${all[@]}"; do
    [[ -d fuzz/regressions/$name ]] || fail "fuzz/regressions/$name is missing"
done
read -ra names <<<"${TAHQ_FUZZ_TARGETS:-${all[*]}}"

build=$target/fuzz-$sanitizer
cargo +nightly fuzz build --sanitizer "$sanitizer" --target-dir "$build"

# The tests write the seeds that they replay. As the command `cargo test --release` builds them.
TAHQ_FUZZ_CORPUS=$log/seeds cargo test --release --locked --test regressions >"$log/seeds.txt" 2>&1 || {
    tail -n 40 "$log/seeds.txt"
    fail 'the seeds were not written'
}

# Inputs are small: the frames of interest are, and work on one is bounded.
fuzz() {
    local name=$1 status=0
    mkdir -p "$log/corpus/$name" "$log/findings/$name"
    (
        cd "$log/findings/$name"
        ASAN_OPTIONS=detect_odr_violation=0 exec "$(echo "$build"/*/release/"$name")" \
            "$log/corpus/$name" "$log/seeds/$name" "$root/fuzz/regressions/$name" \
            -artifact_prefix="$log/findings/$name/" -dict="$root/fuzz/tahq.dict" -max_len=4096 \
            -max_total_time="$seconds" -timeout=20 -reload=0 -print_final_stats=1
    ) >"$log/$name.$sanitizer.txt" 2>&1 || status=$?
    printf 'exit status %d, sanitizer %s\n' "$status" "$sanitizer" >>"$log/$name.$sanitizer.txt"
}
root=$PWD

jobs=$(($(nproc) < 2 ? 1 : 2))
for name in "${names[@]}"; do
    while (($(jobs -rp | wc -l) >= jobs)); do
        wait -n
    done
    fuzz "$name" &
done
wait

bad=0
for name in "${names[@]}"; do
    text=$log/$name.$sanitizer.txt
    executed=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$text")
    printf '%s: %s executions in %s s\n' "$name" "${executed:-no}" "$seconds"
    if ! grep -q '^exit status 0,' "$text"; then
        tail -n 60 "$text"
        bad=1
    # The slowest target does more than a hundred a second with the sanitizer on a core of its own.
    elif ((${executed:-0} < 10 * seconds)); then
        tail -n 20 "$text"
        printf 'error: %s ran too little\n' "$name" >&2
        bad=1
    fi
done
((bad == 0)) || fail 'fuzzing found something, or did not run'
