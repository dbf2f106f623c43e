#!/usr/bin/env bash
# Proves by the linker that no public entry of the library can panic (tests/no-panic), and that the proof would fail:
# with a planted panic it must. `--where` lists the places from which a panic can be reached instead.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}/no-panic
manifest=tests/no-panic/Cargo.toml
build() {
    # The C library has memcpy and the like. Cargo's own flags would be shared with build scripts.
    cargo rustc --manifest-path "$manifest" --target-dir "$target" --release --locked "$@" -- \
        -C link-arg=-Wl,-z,defs -C link-arg=-lc
}

if [[ ${1:-} == --where ]]; then
    build --features found
    library=$target/release/libno_panic.so
    # Calls of core's panicking functions, by the line of source, or of what was inlined there.
    # The calls of core's panicking functions, by function, line of source and what was inlined there.
    objdump -d --no-show-raw-insn -C "$library" \
        | awk '/(call|jmp) .*<core::(panicking|slice::index|slice::copy|option|result|str)/ {
            sub(":", "", $1); print $1 }' \
        | addr2line -f -C -i -a -e "$library" \
        | awk -v here="$PWD/" '
            function flush() { if (place != "") places[place]++ }
            /^0x/ { flush(); place = ""; name = ""; found = 0; next }
            name == "" { name = $0; next }
            {
                sub(here, ""); sub(/ \(discriminator.*/, "")
                if (!found) place = $0 " " name
                if ($0 ~ /^(src|arch|tests)\//) found = 1
                name = ""
            }
            END { flush(); for (place in places) print places[place], place }' \
        | sort -rn
    exit
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
build 2>&1 | tee "$log"
if build --features planted >"$log" 2>&1; then
    echo 'error: a planted panic was not found: the check sees nothing' >&2
    exit 1
fi
grep -q 'a_panic_can_be_reached' "$log" || {
    cat "$log"
    echo 'error: with a planted panic the link failed for another reason' >&2
    exit 1
}
echo 'no panic can be reached, and a planted one is found'
