#!/usr/bin/env bash
# The programs of examples/bare-metal on boards that qemu plays, and the size of the decoder alone: the figures of
# docs/embedded.md. Fails where values or bytes differ, where a fault that is planted is not found, where a public type
# cannot be logged by defmt, and where a figure is above its bound.
#
#     .ci/bare-metal.sh
#
# Takes the toolchain of .ci/cross.sh, which it makes where it is missing, or that of the file in TAHQ_CROSS_ENV; with
# the targets from rustup and qemu-system-arm in the path, an empty file will do.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Target, board, and the bounds: bytes of flash and of static RAM of the decoder alone; instructions an element and
# bytes of stack of decoding, of decoding a stream, and of encoding.
targets() {
    cat <<'END_OF_TABLE'
thumbv7em-none-eabihf  mps2-an386  8192 0   147 1024  157 1280   840 9728
thumbv6m-none-eabi     mps2-an385  10240 0  508 1100  525 1400  1900 9728
END_OF_TABLE
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

unset RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_RUSTFLAGS
environment=${TAHQ_CROSS_ENV:-}
if [[ -z $environment ]]; then
    .ci/cross.sh
    environment=${XDG_CACHE_HOME:-$HOME/.cache}/tahq-cross/env.sh
fi
# shellcheck source=/dev/null
. "$environment"
qemu=${QEMU_SYSTEM_ARM:-qemu-system-arm}
command -v "$qemu" >/dev/null || fail 'qemu-system-arm is needed'

base=${CARGO_TARGET_DIR:-target}
mkdir -p "$base/bare-metal"
base=$(cd "$base/bare-metal" && pwd)
export CARGO_TARGET_DIR=$base CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never

# Runs the program $2 on board $1 with the argument $3; what it says goes to the file $4.
play() {
    local status=0
    # Each instruction takes one nanosecond of the board's time. A program that hangs must not stop everything.
    timeout 60 "$qemu" -machine "$1" -display none -monitor none -serial none -icount shift=0 \
        -semihosting-config "enable=on,target=native,arg=codec,arg=$3" -kernel "$2" >"$4" 2>&1 || status=$?
    return "$status"
}

# Fails unless the number that follows "$2" in the file $1 and precedes " $3" is there and at most $4.
at_most() {
    local found
    found=$(sed -nE "s/^$2.*[ :]([0-9]+)(\.[0-9])? $3.*/\1/p" "$1")
    [[ $found =~ ^[0-9]+$ ]] || fail "no figure for: $2 ... $3"
    ((found <= $4)) || fail "$2: $found $3, at most $4 are allowed"
}

# Bytes of the sections "$2..." of the program $1. Little-endian ELF of 32 bits, as these targets have it.
sections() {
    local program=$1
    shift
    node - "$program" "$@" <<'END_OF_JS'
const [, , program, ...wanted] = process.argv;
const elf = require('node:fs').readFileSync(program);
const [table, size, count, names] = [elf.readUInt32LE(32), elf.readUInt16LE(46), elf.readUInt16LE(48), elf.readUInt16LE(50)];
const strings = elf.readUInt32LE(table + names * size + 16);
let bytes = 0;
for (let i = 0; i < count; i++) {
    const section = table + i * size;
    const name = strings + elf.readUInt32LE(section);
    if (wanted.includes(elf.toString('latin1', name, elf.indexOf(0, name)))) bytes += elf.readUInt32LE(section + 20);
}
console.log(bytes);
END_OF_JS
}

cargo fmt --manifest-path examples/bare-metal/Cargo.toml --check

played=0
while read -r target board flash ram decode decode_stack stream stream_stack encode encode_stack; do
    printf '%s on %s\n' "$target" "$board"
    said=$base/$target.txt
    (cd examples/bare-metal && cargo build --quiet --release --locked --target "$target" --features defmt)
    play "$board" "$base/$target/release/codec" none "$said" || {
        cat "$said"
        fail "$target: the program failed"
    }
    cat "$said"
    grep -qx 'ok' "$said" || fail "$target: the program did not come to its end"
    grep -qE '^defmt: [1-9][0-9]+ records' "$said" || fail "$target: nothing was logged"
    at_most "$said" 'decode:' 'instructions' "$decode"
    at_most "$said" 'decode:' 'bytes of stack' "$decode_stack"
    at_most "$said" 'stream decode:' 'instructions' "$stream"
    at_most "$said" 'stream decode:' 'bytes of stack' "$stream_stack"
    at_most "$said" 'encode:' 'instructions' "$encode"
    at_most "$said" 'encode:' 'bytes of stack' "$encode_stack"
    if play "$board" "$base/$target/release/codec" planted-fault "$base/planted.txt"; then
        fail "$target: a wrong checksum of the values went by"
    fi
    grep -qx "failed: the stream's values differ" "$base/planted.txt" || fail "$target: another fault was found"
    used=$(sections "$base/$target/release/decoder-size" .text .rodata .data)
    static=$(sections "$base/$target/release/decoder-size" .data .bss)
    printf 'decoder alone: %d bytes of flash, %d bytes of static RAM\n' "$used" "$static"
    ((used > 1000)) || fail "$target: the decoder is not in its program"
    ((used <= flash)) || fail "$target: the decoder takes $used bytes of flash, at most $flash are allowed"
    ((static <= ram)) || fail "$target: the decoder takes $static bytes of static RAM, at most $ram are allowed"
    played=$((played + 1))
done < <(targets)
((played == 2)) || fail 'the table of boards is too short'
