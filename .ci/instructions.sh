#!/usr/bin/env bash
# Instructions an element, which are the same on every run, against bounds: what slows a level down by a few in a hundred
# is seen by no timing of a shared machine. Fails where a figure is above its bound, or below half of it, so that bounds follow.
#
#     .ci/instructions.sh
#
# Takes valgrind, and for NEON the toolchain of .ci/cross.sh, which it makes where it is missing, or that of the file in
# TAHQ_CROSS_ENV. Another compiler may well have other figures: where none is far off, these here are to be changed.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Level, what benches/src/bin/count.rs calls a preset, and the bounds of encoding and decoding 64 x 4096 elements; the
# bars of NEON are 8 for encoding `int4-fast` and 2.5 for decoding.
bounds() {
    cat <<'END_OF_TABLE'
scalar  int4-fast             46.4  23.6
scalar  int4-balanced        109.8  25.1
avx2    int4-fast              6.00  2.23
avx2    int4-balanced          8.34  2.31
avx2    int4-plain             4.02  1.62
avx2    tah-quant              8.94  3.20
avx2    int8                  13.00  5.03
avx2    mixed                 15.25  3.99
neon    int4-fast              8.00  2.33
neon    int4-fast-unscaled     6.95  2.14
neon    int4-balanced         12.20  2.43
END_OF_TABLE
}
elements=$((64 * 4096))

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Instructions of the operation $4 that is run with preset $3 at level $2 of the program $1.
callgrind() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="count::$4" "$1" "$3" "$2" 2>&1 \
        | sed -nE 's/.*Collected : ([0-9]+)$/\1/p'
}

# Instructions that the program $1 takes with the arguments that follow; a line for each is traced.
traced() {
    # shellcheck disable=SC2086
    $emulator -one-insn-per-tb -d exec,nochain -D /dev/fd/3 "$@" 3>&1 >/dev/null | grep -c '^Trace'
}

# The same as `callgrind`, by what four calls more take: reading the tensors is never quite the same.
emulated() {
    local more=(0 4096 5)
    [[ $4 == encode ]] || more=(4 4096 1)
    printf '%d\n' $((($(traced "$1" "$3" "$2" "${more[@]}") - $(traced "$1" "$3" "$2" 0 4096 1)) / 4))
}

# One line of the table, both operations.
check() {
    local level=$1 preset=$2 operation bound found
    shift 2
    for operation in encode decode; do
        bound=$1
        shift
        if [[ $level == neon ]]; then
            found=$(emulated "$neon" "$level" "$preset" "$operation")
        else
            found=$(callgrind "$host" "$level" "$preset" "$operation")
        fi
        [[ $found =~ ^[1-9][0-9]*$ ]] || fail "nothing was counted of $operation $preset $level"
        awk -v found="$found" -v elements="$elements" -v bound="$bound" -v what="$level $preset $operation" 'BEGIN {
            each = found / elements
            printf "%-38s %7.2f instructions an element, at most %s\n", what, each, bound
            exit each > bound || each < bound / 2
        }' || fail "$level $preset $operation: more than the bound, or less than half of it"
    done
}

if [[ ${1:-} == --check ]]; then
    shift
    check "$@"
    exit
fi

command -v valgrind >/dev/null || {
    apt-get update
    apt-get install --yes --no-install-recommends valgrind
}
base=${CARGO_TARGET_DIR:-target}
cargo build --release --locked -p tahq-benches --bin count
host=$base/release/count
environment=${TAHQ_CROSS_ENV:-}
if [[ -z $environment ]]; then
    .ci/cross.sh
    environment=${XDG_CACHE_HOME:-$HOME/.cache}/tahq-cross/env.sh
fi
target=aarch64-unknown-linux-gnu
(
    # As .ci/cross-test.sh builds it.
    unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS
    # shellcheck source=/dev/null
    . "$environment"
    CARGO_TARGET_DIR=$base/cross CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo build --release --locked -p tahq-benches --bin count --target "$target"
)
neon=$base/cross/$target/release/count
emulator=$(. "$environment" && printf '%s' "$CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER")
unset QEMU_CPU
export host neon emulator

skipped='^$'
if [[ $(uname -m) != x86_64 ]] || ! grep -qw avx2 /proc/cpuinfo; then
    printf 'note: no AVX2 here\n'
    skipped='^avx2'
fi
bounds | grep -v "$skipped" | xargs -P 2 -L 1 "$0" --check
