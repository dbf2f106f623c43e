//! The `tahq` command; see the library beside it.

fn main() -> std::process::ExitCode {
    tahq_cli::main()
}
