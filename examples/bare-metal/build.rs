//! Hands the linker its scripts: where flash and RAM are, and for the program that only measures, where nothing is.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let target = env::var("TARGET").expect("cargo sets it");
    // qemu's mps2-an386 has far more of both; its microbit has just these.
    let memory = if target.starts_with("thumbv6m") {
        "MEMORY { FLASH : ORIGIN = 0, LENGTH = 256K\n RAM : ORIGIN = 0x20000000, LENGTH = 16K }\n"
    } else {
        "MEMORY { FLASH : ORIGIN = 0, LENGTH = 512K\n RAM : ORIGIN = 0x20000000, LENGTH = 64K }\n"
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), memory).expect("the folder is cargo's");
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-search={here}");
    println!("cargo:rustc-link-arg-bin=codec=-Tlink.x");
    println!("cargo:rustc-link-arg-bin=codec=--nmagic");
    println!("cargo:rustc-link-arg-bin=decoder-size=-Tsize.x");
    println!("cargo:rustc-link-arg-bin=decoder-size=--nmagic");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=size.x");
}
