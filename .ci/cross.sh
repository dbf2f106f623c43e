#!/usr/bin/env bash
# Compilers, C libraries and emulators for the targets that .ci/cross-test.sh tests, from Debian packages unpacked
# into a folder of their own: nothing is installed, and no root is needed. The folder's env.sh tells cargo of them:
#
#     .ci/cross.sh && . "${XDG_CACHE_HOME:-$HOME/.cache}/tahq-cross/env.sh"
#     cargo test --release -p tahq --target aarch64-unknown-linux-gnu
#
# Needs cargo, node, an amd64 machine with apt and Debian's archive key, and apt sources that name a Debian mirror:
# they say where to fetch from. Takes minutes and 1.2 GB the first time, and no time afterwards. To renew it, remove
# the folder.
#
# Where rustup has the targets (`rustup target add aarch64-unknown-linux-gnu ...`) and the system has cross linkers
# and qemu-user, none of this is needed: name a file that sets CARGO_TARGET_<TARGET>_LINKER and _RUNNER in
# TAHQ_CROSS_ENV, and .ci/cross-test.sh uses that.
set -euo pipefail
exec </dev/null
umask 022
trap 'printf "error: %s failed at line %d\n" "$0" "$LINENO" >&2' ERR

prefix=${XDG_CACHE_HOME:-$HOME/.cache}/tahq-cross
done_steps=$prefix/.done
scratch=$prefix/.scratch
private_apt=$prefix/.apt

say() { printf 'cross: %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Cargo splits the runner's command at blanks.
[[ $prefix == /* && $prefix != *[[:space:]]* ]] || fail "the cache's path must be absolute and without blanks: $prefix"
mkdir -p "$prefix"
exec 9>"$prefix/.lock"
flock 9

# To be raised with every change that folders made before it lack, and with every addition to them.
edition=1
addition=1
if [[ $(cat "$prefix/.made" 2>/dev/null) == "$edition.$addition" ]]; then
    exit 0
fi
for tool in apt-get cargo dpkg-deb node; do
    command -v "$tool" >/dev/null || fail "$tool is needed"
done
# What an interrupted run has unpacked is kept; what another edition has is not.
if [[ $(cat "$prefix/.making" 2>/dev/null) != "$edition" ]]; then
    rm -rf "${prefix:?}"/{usr,bin,lib,bare,boards,env.sh,.done,.made}
    printf '%s\n' "$edition" >"$prefix/.making"
fi
# The lists of packages too: one of yesterday may name versions that are gone.
rm -rf "$scratch" "$private_apt"
mkdir -p "$prefix/bin" "$done_steps" "$scratch"

# --- apt, with lists and settings of its own ------------------------------------------------------------------------

# The address ending in "$1" of those that the system's apt fetches from.
source_address() {
    apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sed 's:/*$::' \
        | grep -E "^https?://.*/$1\$" | sort -u | sed -n 1p
}
debian=$(source_address debian) || fail "apt's sources name no Debian mirror"
# The usual mirrors have the security updates beside the rest.
security=$(source_address debian-security) || security=$debian-security

mkdir -p "$private_apt"/{lists,cache/archives}/partial "$private_apt/none"
signed=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
# The compiler is that of bookworm's security updates: the newest that runs with the libc of bookworm and later.
# Bookworm has no std for s390x of that version, trixie has.
cat >"$private_apt/sources.list" <<END_OF_SOURCES
deb [$signed arch=amd64] $debian bookworm main
deb [$signed arch=amd64] $debian bookworm-backports main
deb [$signed arch=amd64,arm64] $security bookworm-security main
deb [$signed arch=amd64,s390x] $debian trixie main
END_OF_SOURCES
# The system's proxies are kept, and whether it puts up with a mirror that stands still; its hooks and pins are not.
apt-config dump Acquire::http Acquire::https Acquire::Check-Valid-Until Acquire::Check-Date >"$private_apt/apt.conf"
cat >>"$private_apt/apt.conf" <<END_OF_CONF
Dir::State::lists "$private_apt/lists";
Dir::Cache "$private_apt/cache";
Dir::Etc::sourcelist "$private_apt/sources.list";
Dir::Etc::sourceparts "$private_apt/none";
Dir::Etc::preferencesparts "$private_apt/none";
Dir::Etc::parts "$private_apt/none";
APT::Architectures { "amd64"; "arm64"; "s390x"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "5";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END_OF_CONF
export APT_CONFIG=$private_apt/apt.conf

say 'reading the lists of packages'
# Without one of the lists, a version from another would be taken.
apt-get -qq -o APT::Update::Error-Mode=any update

# The newest version of package $1 in the suites that match $2 (of version $3, a pattern), or nothing.
version() {
    apt-cache madison "$1" \
        | awk -F ' *[|] *' -v suite="$2" -v wanted="${3:-.}" '$3 ~ suite && $2 ~ wanted { print $2 }' | sed -n 1p
}

# Unpacks version $2 of package $1, or only those of its files that match "$3...".
unpack() {
    local package=$1 chosen=$2 mark
    shift 2
    [[ -n $chosen ]] || fail "no package $package"
    mark=$done_steps/$package-${chosen//[:\/]/_}
    [[ -e $mark ]] && return
    mkdir -p "$scratch/deb"
    (cd "$scratch/deb" && apt-get -qq download "$package=$chosen")
    dpkg-deb --fsys-tarfile "$scratch"/deb/*.deb | tar -x -C "$prefix" --no-same-owner --wildcards "${@:-./usr/*}"
    rm -rf "$scratch/deb"
    say "$package $chosen"
    touch "$mark"
}

# --- The compiler ---------------------------------------------------------------------------------------------------

rust=$(version rustc-web 'bookworm')
[[ -n $rust ]] || fail 'no package rustc-web'
release=${rust%%+*}
libraries=$prefix/usr/lib/x86_64-linux-gnu
unpack rustc-web "$rust"
unpack libstd-rust-web-dev "$rust"
runtime=libstd-rust-web-${release%.*}
unpack "$runtime" "$rust"
llvm=$(apt-cache show "$runtime=$rust" | grep -oE 'libllvm[0-9]+' | sed -n 1p)
llvm=${llvm#libllvm}
unpack "libllvm$llvm" "$(version "libllvm$llvm" bookworm)"
# The linker for WebAssembly, which must read what this LLVM writes.
unpack "lld-$llvm" "$(version "lld-$llvm" bookworm)"
unpack rust-web-src "$rust" "./usr/src/rustc-$release/library/*" './usr/lib/rustlib/src*'

# The programs look for their libraries where Debian would have installed them.
wrap() {
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec %s "$@"\n' \
        "$libraries" "$2" >"$prefix/bin/$1"
    chmod +x "$prefix/bin/$1"
}
wrap rustc "$prefix/usr/bin/rustc"
wrap rustdoc "$prefix/usr/bin/rustdoc"
wrap rust-lld "$prefix/usr/lib/llvm-$llvm/bin/lld"
host=$prefix/usr/lib/rustlib/x86_64-unknown-linux-gnu
mkdir -p "$host/bin"
ln -sfn "$prefix/bin/rust-lld" "$host/bin/rust-lld"
"$prefix/bin/rustc" --version

# Builds the crates $2 of the standard library for target $1, with flags $3, into the compiler's own folder or that of
# the sysroot $4.
standard_library() {
    local sysroot=${4:-$prefix/usr} work=$scratch/std-$1
    local folder=$sysroot/lib/rustlib/$1/lib mark=$done_steps/std-$1-$rust${4:+-${4##*/}}
    [[ -e $mark ]] && return
    say "building $2 for $1"
    mkdir -p "$work/src"
    printf '[package]\nname = "nothing"\nedition = "2024"\n[workspace]\n' >"$work/Cargo.toml"
    echo '#![no_std]' >"$work/src/lib.rs"
    # -Zbuild-std is for nightly compilers; the sources are those of this very compiler.
    (
        cd "$work"
        env -u RUSTC_WRAPPER -u CARGO_BUILD_TARGET RUSTC="$prefix/bin/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="${3:-}" \
            CARGO_TARGET_DIR="$work/target" cargo build --quiet --release -Zbuild-std="$2" --target "$1"
    )
    rm -rf "$folder"
    mkdir -p "$folder"
    rm -f "$work/target/$1"/release/deps/libnothing*
    cp "$work/target/$1"/release/deps/lib*.rlib "$folder/"
    rm -rf "$work"
    touch "$mark"
}

# --- Targets --------------------------------------------------------------------------------------------------------

environment=("RUSTC=$prefix/bin/rustc" "RUSTDOC=$prefix/bin/rustdoc")

# From backports, because bookworm's own knows less of AArch64 and of z/Architecture.
unpack qemu-user "$(version qemu-user bookworm-backports)" ./usr/bin/qemu-{aarch64,arm,s390x}

# Linux on architecture $1, Debian's name of which is $2.
linux() {
    local target=$1-unknown-linux-gnu triple=$1-linux-gnu variable package std
    for package in "gcc-12-$triple" "binutils-$triple" "libgcc-12-dev-$2-cross" "libgcc-s1-$2-cross" \
        "libc6-$2-cross" "libc6-dev-$2-cross"; do
        unpack "$package" "$(version "$package" 'bookworm/')"
    done
    # A linker script, with absolute paths in it.
    sed -i "s# /usr/$triple/lib/# $prefix/usr/$triple/lib/#g" "$prefix/usr/$triple/lib/libc.so"
    wrap "$triple-gcc" "$prefix/usr/bin/$triple-gcc-12"
    # Of the same release, in whatever suite: one that differs in a revision of Debian's is the same to the compiler.
    std=$(version "libstd-rust-web-dev:$2" . "^$release[+]")
    if [[ -n $std ]]; then
        unpack "libstd-rust-web-dev:$2" "$std" './usr/lib/rustlib/*'
    else
        standard_library "$target" std,test
    fi
    variable=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")
    environment+=("${variable}_LINKER=$prefix/bin/$triple-gcc")
    environment+=("${variable}_RUNNER=$prefix/usr/bin/qemu-$1 -L $prefix/usr/$triple")
}
linux aarch64 arm64
linux s390x s390x

standard_library thumbv7em-none-eabihf core
standard_library thumbv6m-none-eabi core
# With what link-time optimisation wants to see, as compilers from rustup have it: .ci/bare-metal.sh links programs.
bare=$prefix/bare
for target in thumbv7em-none-eabihf thumbv6m-none-eabi; do
    standard_library "$target" core -Cembed-bitcode=yes "$bare"
    variable=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")
    environment+=("${variable}_LINKER=$prefix/bin/rust-lld" "${variable}_RUSTFLAGS=--sysroot=$bare")
done

# An emulator of whole boards. Its libraries must suit the system's, so it is of the system's own suite, with what the
# system lacks for it.
if qemu=$(command -v qemu-system-arm); then
    environment+=("QEMU_SYSTEM_ARM=$qemu")
else
    boards=$prefix/boards
    if [[ ! -e $done_steps/qemu-system-arm ]]; then
        say 'unpacking qemu-system-arm'
        mkdir -p "$private_apt"/system/{lists,cache/archives}/partial "$scratch/boards"
        grep -vE '^(Dir|APT::Architectures)' "$private_apt/apt.conf" >"$private_apt/system.conf"
        cat >>"$private_apt/system.conf" <<END_OF_CONF
Dir::State::lists "$private_apt/system/lists";
Dir::Cache "$private_apt/system/cache";
Dir::Etc::parts "$private_apt/none";
END_OF_CONF
        (
            export APT_CONFIG=$private_apt/system.conf
            cd "$scratch/boards"
            apt-get -qq -o APT::Update::Error-Mode=any update
            apt-get install --simulate --no-install-recommends qemu-system-arm \
                | sed -nE 's/^Inst ([^ ]+) .*/\1/p' >names
            grep -qx qemu-system-arm names || fail 'no package qemu-system-arm'
            # Firmware of boards that are not used.
            grep -vx qemu-system-data names | xargs apt-get -qq download
        )
        rm -rf "$boards"
        mkdir -p "$boards"
        for package in "$scratch"/boards/*.deb; do
            dpkg-deb -x "$package" "$boards"
        done
        rm -f "$boards/usr/bin/qemu-system-aarch64"
        rm -rf "$scratch/boards"
        touch "$done_steps/qemu-system-arm"
    fi
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s:%s exec %s "$@"\n' "$boards/usr/lib/x86_64-linux-gnu" \
        "$boards/lib/x86_64-linux-gnu" "$boards/usr/bin/qemu-system-arm" >"$prefix/bin/qemu-system-arm"
    chmod +x "$prefix/bin/qemu-system-arm"
    environment+=("QEMU_SYSTEM_ARM=$prefix/bin/qemu-system-arm")
fi
"${qemu:-$prefix/bin/qemu-system-arm}" --version | sed -n 1p

# WebAssembly with a system interface, so that tests can print, read files and be told how much to do.
unpack wasi-libc "$(version wasi-libc trixie)" './usr/lib/wasm32-wasi/*'
standard_library wasm32-wasip1 std,panic_abort,test "-L native=$prefix/usr/lib/wasm32-wasi"
contained=$prefix/usr/lib/rustlib/wasm32-wasip1/lib/self-contained
mkdir -p "$contained"
cp "$prefix"/usr/lib/wasm32-wasi/{crt1-command.o,crt1-reactor.o,libc.a} "$contained/"
# This std expects a libc with stubs for threads, newer than Debian's. Without threads nobody calls them.
mkdir -p "$prefix/lib"
cat >"$scratch/threads.rs" <<'END_OF_RUST'
#![no_std]
const ENOTSUP: i32 = 58;
#[unsafe(no_mangle)]
extern "C" fn pthread_join(_: usize, _: usize) -> i32 {
    ENOTSUP
}
#[unsafe(no_mangle)]
extern "C" fn pthread_detach(_: usize) -> i32 {
    ENOTSUP
}
END_OF_RUST
"$prefix/bin/rustc" --edition 2024 --crate-type lib --emit obj -C panic=abort -O --target wasm32-wasip1 \
    -o "$prefix/lib/threads.o" "$scratch/threads.rs"
environment+=("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS=-C link-arg=$prefix/lib/threads.o")
# The guest sees the folder that cargo runs tests in, the package, and no other.
cat >"$prefix/lib/wasi.mjs" <<'END_OF_JS'
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [, , program, ...args] = process.argv;
const here = process.cwd();
const wasi = new WASI({ version: 'preview1', args: [program, ...args], env: process.env, preopens: { [here]: here } });
const { instance } = await WebAssembly.instantiate(await readFile(program), wasi.getImportObject());
process.exitCode = wasi.start(instance);
END_OF_JS
environment+=("CARGO_TARGET_WASM32_WASIP1_RUNNER=node --no-warnings $prefix/lib/wasi.mjs")

# --- What cargo is told ---------------------------------------------------------------------------------------------

for setting in "${environment[@]}"; do
    printf 'export %s=%q\n' "${setting%%=*}" "${setting#*=}"
done >"$prefix/env.sh"
rm -rf "$scratch" "$private_apt"
printf '%s\n' "$edition.$addition" >"$prefix/.made"
say "$(du -sh "$prefix" | cut -f1) in $prefix"
