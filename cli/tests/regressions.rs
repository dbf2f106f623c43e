//! The body of the fuzz target `cli_inspect` on what fuzzing found and on the seeds that it starts from.

#[path = "../../fuzz/targets/cli_inspect.rs"]
mod cli_inspect;
#[path = "../../fuzz/targets/seeds.rs"]
mod seeds;

#[test]
fn cli_inspect() {
    let inputs = [seeds::regressions("cli_inspect"), seeds::seeds("cli_inspect")];
    for (name, input) in inputs.concat() {
        println!("the input is {name}");
        cli_inspect::run(&input);
    }
}
