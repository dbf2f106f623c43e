//! The bodies of the fuzz targets on what fuzzing found (`fuzz/regressions`) and on the seeds that it starts from. The
//! command's target is replayed by its own package.

#[path = "../fuzz/targets/seeds.rs"]
mod seeds;
#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

fn replay(target: &str, run: fn(&[u8])) {
    for (name, input) in [seeds::regressions(target), seeds::seeds(target)].concat() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&input))) {
            eprintln!("{target}: the input is {name}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn decode_any() {
    replay("decode_any", targets::decode_any::run);
}

#[test]
fn decode_differential() {
    replay("decode_differential", targets::decode_differential::run);
}

#[test]
fn round_trip() {
    replay("round_trip", targets::round_trip::run);
}

#[test]
fn stream_splits() {
    replay("stream_splits", targets::stream_splits::run);
}

#[test]
fn no_leak() {
    replay("no_leak", targets::no_leak::run);
}
