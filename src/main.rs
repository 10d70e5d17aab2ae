//! The `longshore` program: everything is in the library.

fn main() -> std::process::ExitCode {
    longshore::cli::main()
}
