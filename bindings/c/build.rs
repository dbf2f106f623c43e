//! Names the shared library where it is to be installed: `TAHQ_SONAME`, set by `CMakeLists.txt`. Without it the file
//! can be used where cargo leaves it.

fn main() {
    println!("cargo::rerun-if-env-changed=TAHQ_SONAME");
    println!("cargo::rerun-if-changed=build.rs");
    let name = std::env::var("TAHQ_SONAME").unwrap_or_default();
    if !name.is_empty() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{name}");
    }
}
