#!/usr/bin/env bash
# Tests the library on targets that this machine is not: the vectors decode to their bits and the encoder writes its
# pinned bytes on each, and the library builds where there is no std.
#
#     .ci/cross-test.sh --list        the names of the targets below
#     .ci/cross-test.sh --build       builds for all, several at a time
#     .ci/cross-test.sh [NAME]...     tests these, or all
#
# Takes the toolchain of .ci/cross.sh, which it makes where it is missing, or that of the file in TAHQ_CROSS_ENV.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Name, target, the instruction-set levels that must be there and no others, the target features turned on, and a
# processor with fewer instructions for checksums than the emulator's own, on which frames are encoded once more.
# With no level there is nothing to run, and the library is only built.
targets() {
    cat <<'END_OF_TABLE'
aarch64    aarch64-unknown-linux-gnu  scalar,neon     -         cortex-a72
s390x      s390x-unknown-linux-gnu    scalar          -         -
wasm       wasm32-wasip1              scalar          -         -
wasm-simd  wasm32-wasip1              scalar,simd128  +simd128  -
thumbv7em  thumbv7em-none-eabihf      -               -         -
thumbv6m   thumbv6m-none-eabi         -               -         -
END_OF_TABLE
}
# The other tests hold what does not depend on the target, and take minutes under emulation.
tests=(codec differential encoder_bytes levels vectors)
# Where there are vectors, the library's own tests as well: every operation of a level against the scalar one.
operations=arch::tests::operations_are_the_same_at_every_level

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

if [[ ${1:-} == --list ]]; then
    targets | cut -d' ' -f1
    exit 0
fi
building=
if [[ ${1:-} == --build ]]; then
    building=yes
    shift
fi
mapfile -t names < <(if (($#)); then printf '%s\n' "$@"; else targets | cut -d' ' -f1; fi)

# Settings for the host's builds and for other runs of the tests do not concern these.
unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS
unset TAHQ_BLESS TAHQ_ROUNDS TAHQ_SEED QEMU_CPU
environment=${TAHQ_CROSS_ENV:-}
if [[ -z $environment ]]; then
    .ci/cross.sh
    environment=${XDG_CACHE_HOME:-$HOME/.cache}/tahq-cross/env.sh
fi
# shellcheck source=/dev/null
. "$environment"

# Of its own, because another compiler builds here, and cargo would throw the host's work away.
base=${CARGO_TARGET_DIR:-target}
export CARGO_TARGET_DIR=$base/cross CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never
# Nobody debugs these, and the library's inlined code makes a great deal of debug information.
export CARGO_PROFILE_RELEASE_DEBUG=0
mkdir -p "$CARGO_TARGET_DIR"

# A test that did not run on the target does not fail, so what ran is read from the log $1 of target $2.
check() {
    local log=$1 target=$2 levels=$3 test
    for test in "${tests[@]}"; do
        awk -v running="Running tests/$test.rs (" -v folder="/$target/" '
            / Running / { here = index($0, running) && index($0, folder) }
            here && /^test result: ok\. [1-9][0-9]* passed; 0 failed/ { found = 1 }
            END { exit !found }' "$log" || fail "$test ran no test on $target; see $log"
    done
    check_frames "$@"
}

# Every frame of the table, at every level and at no other.
check_frames() {
    local log=$1 target=$2 levels=$3 frames seen
    frames=$(grep -c . tests/encoder_bytes.txt)
    ((frames > 0)) || fail 'tests/encoder_bytes.txt is empty'
    seen=$(sed -nE "s/^level ([a-z0-9_]+): $frames frames\$/\1/p" "$log" | sort | paste -sd,)
    [[ $seen == "$(tr , '\n' <<<"$levels" | sort | paste -sd,)" ]] \
        || fail "$target has the levels $levels, and encoder_bytes ran ${seen:-none}; see $log"
}

selected=()
for test in "${tests[@]}"; do
    selected+=(--test "$test")
done
no_std=(cargo build -p tahq --no-default-features --release --locked)
with_std=(cargo test -p tahq --release --locked "${selected[@]}")

# The library is one unit of code generation, so one target keeps one core busy and all of them keep all.
build() {
    local target levels features bare=() full=()
    while read -r _ target levels features _; do
        # Other features are other flags, which are the environment's, for all of a call.
        if [[ $levels == - ]]; then
            bare+=(--target "$target")
        elif [[ $features == - ]]; then
            full+=(--target "$target")
        fi
    done < <(targets)
    "${with_std[@]}" "${full[@]}" --no-run
    "${no_std[@]}" "${bare[@]}"
}

run() {
    local name target levels features lesser variable flags log frames
    read -r name target levels features lesser < <(targets | grep "^$1 ") || fail "no target has the name $1; see --list"
    log=$CARGO_TARGET_DIR/$name.log
    if [[ $levels == - ]]; then
        # An old file would hide that nothing was built.
        rm -f "$CARGO_TARGET_DIR/$target/release/libtahq.rlib"
        "${no_std[@]}" --target "$target" 2>&1 | tee "$log"
        [[ -s $CARGO_TARGET_DIR/$target/release/libtahq.rlib ]] || fail "no library was built for $target"
        return
    fi
    if [[ $features != - ]]; then
        variable=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")_RUSTFLAGS
        flags="${!variable:-} -C target-feature=$features"
        local -x "$variable=$flags" CARGO_TARGET_DIR=$CARGO_TARGET_DIR/$name
    fi
    "${with_std[@]}" --target "$target" -- --show-output 2>&1 | tee "$log"
    check "$log" "$target" "$levels"
    if [[ $levels == *,* ]]; then
        log=$CARGO_TARGET_DIR/$name-lib.log
        cargo test -p tahq --release --locked --lib --target "$target" 2>&1 | tee "$log"
        grep -qxF "test $operations ... ok" "$log" || fail "$operations did not run on $target; see $log"
    fi
    if [[ $lesser != - ]]; then
        log=$CARGO_TARGET_DIR/$name-$lesser.log
        frames=(cargo test -p tahq --release --locked --test encoder_bytes --target "$target" -- --show-output)
        # A runner that does not ask for the processor would repeat what ran.
        if QEMU_CPU=no-such-processor "${frames[@]}" >"$log" 2>&1; then
            fail "the runner of $target does not take its processor from QEMU_CPU"
        fi
        grep -q no-such-processor "$log" || fail "$target failed for another reason; see $log"
        QEMU_CPU=$lesser "${frames[@]}" 2>&1 | tee "$log"
        check_frames "$log" "$target" "$levels"
    fi
}

if [[ -n $building ]]; then
    build
    exit 0
fi
for name in "${names[@]}"; do
    run "$name"
done
