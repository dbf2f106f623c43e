//! The committed header is what cbindgen makes of the sources. `TAHQ_BLESS=1` writes it.

use std::path::Path;

#[test]
fn header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/lib.rs"))
        .with_src(root.join("src/status.rs"))
        .with_src(root.join("src/config.rs"))
        .with_src(root.join("src/header.rs"))
        .generate()
        .expect("the sources parse")
        .write(&mut made);
    let made = String::from_utf8(made).expect("UTF-8");
    // Every exported function is in it, or it would be a header of something else.
    let sources = include_str!("../src/lib.rs");
    assert!(sources.contains("extern \"C\" fn tahq_decode("));
    for line in sources.lines() {
        if let Some(rest) = line.split("extern \"C\" fn ").nth(1) {
            let name = rest.split('(').next().unwrap_or("");
            assert!(made.contains(&format!("{name}(")), "{name} is not in the header");
        }
    }
    let path = root.join("include/tahq.h");
    if std::env::var_os("TAHQ_BLESS").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == made,
        "include/tahq.h is not what cbindgen makes of the sources: run this test with TAHQ_BLESS=1"
    );
}
