#![no_main]

#[path = "../targets/cli_inspect.rs"]
mod cli_inspect;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cli_inspect::run(data));
