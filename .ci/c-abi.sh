#!/usr/bin/env bash
# The C interface as its users meet it: Rust's tests of its border, the header, an installation by CMake, programs in C
# and C++ that find it by pkg-config and by CMake, and mutated frames under the sanitizers. Needs cargo; installs a C and
# a C++ compiler, cmake and pkg-config with apt-get where they are missing. Writes to cargo's target directory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

missing=()
for tool in cc:gcc c++:g++ cmake:cmake pkg-config:pkg-config nm:binutils; do
    command -v "${tool%%:*}" >/dev/null || missing+=("${tool##*:}")
done
if ((${#missing[@]})); then
    sudo=
    ((EUID == 0)) || sudo=sudo
    command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
    $sudo apt-get update -q
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
fi

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR=$target
scratch=$target/c-abi
rm -rf "$scratch"
mkdir -p "$scratch"
frames=${TAHQ_C_FRAMES:-100000}

# As CMake sets it: one build serves all.
abi=$(sed -nE 's/^#define TAHQ_ABI_VERSION ([0-9]+)$/\1/p' bindings/c/include/tahq.h)
[[ -n $abi ]] || fail 'the header has no TAHQ_ABI_VERSION'
export TAHQ_SONAME=libtahq.so.$abi

# The header's test among them: it is what cbindgen makes of the sources.
cargo test -p tahq-c --release --locked

# Installed twice: with both libraries, and with the static one alone.
install_to() {
    local prefix=$scratch/$1
    shift
    cmake -S bindings/c -B "$prefix-build" -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib \
        -DTAHQ_CARGO_TARGET_DIR="$target" "$@"
    cmake --build "$prefix-build"
    cmake --install "$prefix-build"
}
install_to shared
install_to static -DTAHQ_SHARED=OFF
[[ ! -e $scratch/static/lib/libtahq.so ]] || fail 'TAHQ_SHARED=OFF installed the shared library'

# The functions that the header declares are those that the shared library has, and no others.
grep -oE '\btahq_[a-z_]+\(' bindings/c/include/tahq.h | tr -d '(' | sort -u >"$scratch/declared"
nm -D --defined-only "$scratch/shared/lib/$TAHQ_SONAME" | awk '{ print $3 }' | sort >"$scratch/exported"
[[ -s $scratch/declared ]] || fail 'the header declares nothing'
diff "$scratch/declared" "$scratch/exported" || fail 'the header and the library differ'
printf '%d functions\n' "$(wc -l <"$scratch/exported")"

# What rustc says that a static library of Rust needs is what tahq.pc says, though this system may do without.
needs=$(rustc --crate-name empty --crate-type staticlib --print native-static-libs -o "$scratch/empty.a" - 2>&1 </dev/null \
    | sed -n 's/^note: native-static-libs: //p')
[[ -n $needs ]] || fail 'rustc names no native libraries'
for prefix in shared static; do
    grep -qF -- " $needs" "$scratch/$prefix/lib/pkgconfig/tahq.pc" || fail "$prefix/lib/pkgconfig/tahq.pc lacks: $needs"
done

flags() {
    PKG_CONFIG_PATH=$scratch/$1/lib/pkgconfig pkg-config "${@:2}" tahq
}
warnings=(-Wall -Wextra -Werror -pedantic)
sanitizers=(-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all)
tests=bindings/c/tests/abi.c
example=bindings/c/examples/round_trip.c

# shellcheck disable=SC2046 # Flags are words.
{
    cc -std=c99 "${warnings[@]}" "${sanitizers[@]}" "$tests" $(flags static --cflags --libs) -lm -o "$scratch/abi-static"
    cc -std=c99 "${warnings[@]}" -O2 "$tests" $(flags shared --cflags --libs) -lm -o "$scratch/abi-shared"
    c++ -std=c++11 "${warnings[@]}" "${sanitizers[@]}" -x c++ "$tests" -x none $(flags shared --cflags --libs) -lm \
        -o "$scratch/abi-cxx"
    cc -std=c99 "${warnings[@]}" "$example" $(flags static --cflags --libs) -lm -o "$scratch/example-static"
    cc -std=c99 "${warnings[@]}" "$example" $(flags shared --cflags --libs) -lm -o "$scratch/example-shared"
}
for prefix in shared static; do
    cmake -S bindings/c/examples/cmake -B "$scratch/example-$prefix-build" -DCMAKE_PREFIX_PATH="$scratch/$prefix"
    cmake --build "$scratch/example-$prefix-build"
    cp "$scratch/example-$prefix-build/round_trip" "$scratch/example-$prefix-cmake"
done

run() {
    local log=$scratch/$1.txt expected=$2
    shift 2
    timeout 600 "$@" | tee "$log"
    grep -qE "$expected" "$log" || fail "$* did not say: $expected"
}
export LD_LIBRARY_PATH=$scratch/shared/lib
run abi-static "^$frames mutated frames: [1-9]" "$scratch/abi-static" "$frames"
run abi-shared "^$frames mutated frames: [1-9]" "$scratch/abi-shared" "$frames" 7
run abi-cxx '^1000 mutated frames: [1-9]' "$scratch/abi-cxx" 1000
for name in static shared static-cmake shared-cmake; do
    run "example-$name" '128 x 576 floats in [0-9]+ bytes' "$scratch/example-$name"
done
# A static program needs no library of ours at run time, a shared one does, by its ABI's name.
for name in static shared static-cmake shared-cmake; do
    # Not into `grep -q`: it stops reading at the first match, and a pipe that breaks so would be a failure.
    libraries=$(ldd "$scratch/example-$name")
    if [[ $libraries == *"$TAHQ_SONAME => $scratch/shared/lib"* ]]; then
        [[ $name == shared* ]] || fail "example-$name needs the shared library"
    else
        [[ $name == static* ]] || fail "example-$name does not use the shared library"
    fi
done
