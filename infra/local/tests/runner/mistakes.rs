//! Tests that a stack that cannot run is refused with one sentence and a status other than zero.

use std::path::Path;

use crate::harness::{Runner, recipe};

fn refused(arguments: &[&str]) -> String {
    let (status, stdout, stderr) = Runner::start_bare(arguments).end();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert_eq!(stdout, "");
    stderr
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn every_mistake_of_a_topology_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(recipe()).unwrap();
    let text =
        text.replace("memory_mb: 256", "memory_mb: 64").replace("{ table: connections }", "{ table: conections }");
    let file = write(folder.path(), "topology.yaml", &text);
    let stderr = refused(&["--topology", &file, "--no-build"]);
    assert!(stderr.contains(&format!("the topology {file} has 2 mistakes")), "{stderr}");
    assert!(stderr.contains("memory_mb: 64 is outside 128 to 10240 MB"), "{stderr}");
    assert!(stderr.contains("there is no table `conections`; did you mean `connections`?"), "{stderr}");
}

#[test]
fn a_topology_that_is_not_there_is_named() {
    let stderr = refused(&["--topology", "no/such.yaml"]);
    assert!(stderr.contains("cannot read the topology no/such.yaml"), "{stderr}");
}

#[test]
fn a_binary_that_is_not_there_is_named_with_its_function() {
    let folder = tempfile::tempdir().unwrap();
    let topology = recipe();
    let stderr = refused(&["--topology", topology.to_str().unwrap(), "--bin-dir", folder.path().to_str().unwrap()]);
    assert!(stderr.contains("baseline of the function `chat` does not exist"), "{stderr}");
}

#[test]
fn a_parameter_without_a_value_is_named_with_the_file_it_belongs_to() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(recipe()).unwrap();
    let text = format!("{text}\nparameters:\n  secret_word: {{ description: Say it. }}\n");
    let text = text.replace("TABLE_NAME: {", "SECRET_WORD: { parameter: secret_word }\n      TABLE_NAME: {");
    let file = write(folder.path(), "topology.yaml", &text);
    let stderr = refused(&["--topology", &file, "--no-build"]);
    assert!(stderr.contains("the topology's parameter `secret_word` has no value"), "{stderr}");
    assert!(stderr.contains("local.yaml. It is: Say it."), "{stderr}");
}

#[test]
fn a_ready_file_that_cannot_be_written_is_named_before_anything_is_built() {
    let topology = recipe();
    let stderr = refused(&["--topology", topology.to_str().unwrap(), "--ready-file", "no/such/folder/ready.json"]);
    assert!(stderr.contains("cannot write no/such/folder/ready.json: "), "{stderr}");
    assert!(!stderr.contains("Compiling") && !stderr.contains("Finished"), "{stderr}");
}

#[test]
fn functions_that_do_not_compile_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(recipe()).unwrap().replace("binary: baseline", "binary: no-such-binary");
    let file = write(folder.path(), "topology.yaml", &text);
    let stderr = refused(&["--topology", &file]);
    assert!(stderr.contains("no bin target named `no-such-binary`"), "cargo's own words: {stderr}");
    assert!(stderr.contains("cargo could not build the functions"), "{stderr}");
}
