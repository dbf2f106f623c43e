//! Arbitrary files through `tahq inspect`: a report or an error, in words and as JSON, and a picture.

use std::io::Write;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, file)) = data.split_first() else {
        return;
    };
    let mut input = tempfile::NamedTempFile::new().expect("a temporary file");
    input.write_all(file).expect("a temporary file");
    let mut out = Vec::new();
    let json = choice & 1 != 0;
    let result = tahq_cli::inspect(input.path(), json, &mut out);
    if json && !out.is_empty() {
        assert!(out.starts_with(b"{") && out.ends_with(b"}\n"));
    }
    // Whatever goes wrong is one line.
    if let Err(line) = result {
        assert!(!line.is_empty() && !line.contains('\n'));
    }
}
