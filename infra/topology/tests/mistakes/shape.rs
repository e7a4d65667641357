//! Tests that the text must be a topology: all fields, known fields, values of the right type.

use topology::Topology;

use crate::{SOUND, broken, mistakes_of};

#[test]
fn a_sound_topology_has_no_mistake_and_no_finding() {
    let topology = Topology::parse(SOUND).expect("the sound topology");
    assert_eq!(topology.findings, []);
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_text_each_with_its_line() {
    let source =
        "version: 2\nname: Stack\nfunctions:\n  worker:\n    binary: worker\n    memory_mb: 64\n    timeout: 5\n";
    let mistakes = Topology::parse(source).expect_err("four mistakes");
    assert_eq!(
        mistakes.to_string(),
        "1:10: version: 2 is not 1, the only version of the format\n\
         2:7: name: `Stack` cannot be the name of a stack: it takes 1 to 32 characters of lower-case letters, digits and \
         hyphens, a letter first\n\
         4:3: functions.worker: the field `timeout_s` is missing\n\
         6:16: functions.worker.memory_mb: 64 is outside 128 to 10240 MB, the memory of a Lambda function\n\
         7:5: functions.worker.timeout: there is no field `timeout`; did you mean `timeout_s`?"
    );
}

#[test]
fn a_file_that_cannot_be_read_and_one_with_mistakes_are_named() {
    let missing = Topology::read(std::path::Path::new("no/such/topology.yaml")).expect_err("no such file");
    assert!(missing.to_string().starts_with("cannot read the topology no/such/topology.yaml: "), "{missing}");
}

#[test]
fn text_that_is_not_yaml_is_refused_with_its_place() {
    let mistakes = Topology::parse("version: [1, 2\n").expect_err("an open bracket");
    assert!(mistakes.to_string().starts_with("1:10: this is not YAML: "), "{mistakes}");
}

#[test]
fn an_empty_file_misses_everything() {
    assert_eq!(mistakes_of(""), [": expected a mapping, found nothing"]);
    assert_eq!(
        mistakes_of("{}"),
        [": the field `version` is missing", ": the field `name` is missing", ": the field `functions` is missing"]
    );
}

#[test]
fn a_name_written_twice_is_refused() {
    let mistakes =
        Topology::parse("version: 1\nname: x\nfunctions: {}\nqueues:\n  a: {}\n  a: {}\n").expect_err("twice");
    assert_eq!(mistakes.to_string(), "6:3: `a` is written a second time in the same mapping: keep one of the two");
}

#[test]
fn unknown_fields_and_kinds_are_refused_with_what_was_meant() {
    broken(
        "memory_mb: 256",
        "memory_mib: 256",
        &[
            "functions.worker: the field `memory_mb` is missing",
            "functions.worker.memory_mib: there is no field `memory_mib`; did you mean `memory_mb`?",
        ],
    );
    broken(
        "- schedule: { rate: 1 minute }",
        "- timer: { rate: 1 minute }",
        &[
            "functions.clock.triggers[0].timer: there is no kind `timer`; the kinds here are `websocket`, `http`, `authorizer`, \
         `queue`, `stream`, `schedule`",
        ],
    );
    broken(
        "STALE_AFTER_S: 720",
        "STALE_AFTER_S: { tabel: things }",
        &["functions.worker.environment.STALE_AFTER_S.tabel: there is no kind `tabel`; did you mean `table`?"],
    );
    broken(
        "- { topic: events, actions: [Publish] }",
        "- { topic: events, queue: work, actions: [Publish] }",
        &[
            "functions.worker.grants[2]: a grant is on one thing: name exactly one of `table`, `queue`, `topic`, `secret`, `websocket`",
        ],
    );
    broken(
        "- schedule: { rate: 1 minute }",
        "- { schedule: { rate: 1 minute }, authorizer: {} }",
        &[
            "functions.clock.triggers[0]: expected one of `websocket`, `http`, `authorizer`, `queue`, `stream`, `schedule` here, found 2",
        ],
    );
}

#[test]
fn scalars_that_the_versions_of_yaml_read_differently_are_refused_with_the_others() {
    let source = SOUND
        .replace("bisect_batch_on_function_error: true", "bisect_batch_on_function_error: on")
        .replace("memory_mb: 256", "memory_mb: lots");
    assert_eq!(
        mistakes_of(&source),
        [
            "functions.worker.memory_mb: expected a whole number, found a text",
            ": YAML 1.1, which Terraform reads, takes a plain `on` for true or false: write `\"on\"`",
            "functions.watcher.triggers[0].stream.bisect_batch_on_function_error: expected true or false, found a text",
        ]
    );
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    broken("memory_mb: 256", "memory_mb: lots", &["functions.worker.memory_mb: expected a whole number, found a text"]);
    broken(
        "bisect_batch_on_function_error: true",
        "bisect_batch_on_function_error: \"yes\"",
        &["functions.watcher.triggers[0].stream.bisect_batch_on_function_error: expected true or false, found a text"],
    );
    broken(
        "STALE_AFTER_S: 720",
        "STALE_AFTER_S: 7.5",
        &[
            "functions.worker.environment.STALE_AFTER_S: a fraction has more than one spelling: put it in quotes, as it \
         shall be handed over",
        ],
    );
    broken(
        "STALE_AFTER_S: 720",
        "STALE_AFTER_S: [7]",
        &["functions.worker.environment.STALE_AFTER_S: expected a text, a number, or true or false, found a list"],
    );
}
