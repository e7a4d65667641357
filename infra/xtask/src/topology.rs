//! `cargo xtask topology`: checks a topology, and prints it as the runner understands it.

use std::path::PathBuf;

use topology::Topology;

/// The topology of this repository.
pub(crate) const FILE: &str = "infra/topology.yaml";

/// What to print of which file.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file to read.
    #[arg(long, default_value = FILE)]
    file: PathBuf,
    /// Print the whole topology as JSON, with every default filled in.
    #[arg(long)]
    json: bool,
}

/// Prints the topology, or one line that counts what is in it.
///
/// # Errors
/// Every mistake in the file, with its line.
pub(crate) fn print(arguments: &Arguments) -> Result<(), topology::Error> {
    let topology = Topology::read(&arguments.file)?;
    if arguments.json {
        println!("{:#}", topology.to_json());
        return Ok(());
    }
    let (file, functions, queues) = (arguments.file.display(), topology.functions.len(), topology.queues.len());
    let (topics, tables) = (topology.topics.len(), topology.tables.len());
    println!("{file}: {functions} functions, {queues} queues, {topics} topics, {tables} tables, no mistake");
    for finding in &topology.findings {
        println!("{file}:{finding}");
    }
    Ok(())
}
