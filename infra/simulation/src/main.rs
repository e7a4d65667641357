//! The command `cargo simulation`, which runs seeds.

fn main() -> std::process::ExitCode {
    simulation::cli::main()
}
