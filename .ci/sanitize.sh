#!/usr/bin/env bash
# A small set of tests under the address sanitizer (nightly Rust) and under valgrind's memcheck. Both must report a
# planted fault. memcheck knows no AVX-512: it runs the levels scalar and avx2.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
    cat "$log"
    printf 'error: %s\n' "$*" >&2
    exit 1
}

command -v valgrind >/dev/null || {
    apt-get update
    apt-get install --yes --no-install-recommends valgrind
}
cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal

# As the command `cargo test --release` builds it: nothing is compiled anew after that.
cargo test --release --locked --test memory --no-run
memory=$(cargo test --release --locked --test memory --no-run --message-format json 2>/dev/null \
    | sed -n 's/.*"executable":"\([^"]*memory-[^"]*\)".*/\1/p' | tail -n 1)
[[ -x $memory ]] || fail 'the test memory was not built'
memcheck=(valgrind --quiet --error-exitcode=99 --exit-on-first-error=yes "$memory" --nocapture --test-threads 1)
"${memcheck[@]}" buffers_of_the_exact_length 2>&1 | tee "$log"
grep -q 'level scalar' "$log" || fail 'memcheck ran nothing'
if grep -qw avx2 /proc/cpuinfo; then
    grep -q 'level avx2' "$log" || fail 'memcheck did not run the level avx2'
fi
if "${memcheck[@]}" --ignored planted_fault >"$log" 2>&1; then
    fail 'memcheck did not see the planted fault'
fi
grep -q 'Invalid read' "$log" || fail 'memcheck failed for another reason than the planted fault'

asan() {
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test -p tahq --locked --target-dir "$target/asan" \
        --target "$(rustc -vV | sed -n 's/^host: //p')" "$@"
}
asan --test memory --test levels --test vectors --test codec --test regressions 2>&1 | tee "$log"
(($(grep -c '^test result: ok' "$log") == 5)) || fail 'a test did not run under the address sanitizer'
if asan --test memory -- --ignored planted_fault >"$log" 2>&1; then
    fail 'the address sanitizer did not see the planted fault'
fi
grep -q 'heap-buffer-overflow' "$log" || fail 'the address sanitizer failed for another reason than the planted fault'
