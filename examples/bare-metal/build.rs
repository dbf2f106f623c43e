//! Hands the linker its scripts: where flash and RAM are, and for the program that is only measured, nowhere.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    // Less than qemu's mps2-an385 and mps2-an386 have.
    let memory = "MEMORY { FLASH : ORIGIN = 0, LENGTH = 512K\n RAM : ORIGIN = 0x20000000, LENGTH = 64K }\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), memory).expect("the folder is cargo's");
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-search={here}");
    println!("cargo:rustc-link-arg-bin=codec=--nmagic");
    println!("cargo:rustc-link-arg-bin=codec=-Tlink.x");
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo:rustc-link-arg-bin=codec=-Tdefmt.x");
    }
    println!("cargo:rustc-link-arg-bin=decoder-size=--nmagic");
    println!("cargo:rustc-link-arg-bin=decoder-size=-Tsize.x");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=size.x");
}
