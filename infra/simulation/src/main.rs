//! Runs seeds.

fn main() -> std::process::ExitCode {
    simulation::cli::main()
}
