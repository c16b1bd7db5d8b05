//! Stemvault: one binary, server and command line.

fn main() -> std::process::ExitCode {
    stemvault::cli::main()
}
