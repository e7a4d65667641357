//! Tests the environment of a function.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{Fixture, function, program, with};
use local_lambda::{Config, Lambda, StartError};
use serde_json::{Value, json};

async fn variables(fixture: &Fixture) -> (BTreeMap<String, String>, Value) {
    let mut answer = fixture.invoke(json!({"do": "environment"})).await.unwrap();
    (serde_json::from_value(answer["variables"].take()).unwrap(), answer["folder"].take())
}

#[tokio::test]
async fn a_function_sees_what_aws_sets_and_its_own_and_nothing_of_the_runner() {
    let own = ("TABLE".to_owned(), "rooms".to_owned());
    let fixture = Fixture::of(with("f", |f| f.environment.push(own)));
    let (mut seen, _) = variables(&fixture).await;
    let folder = program().canonicalize().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    let api = seen.remove("AWS_LAMBDA_RUNTIME_API").unwrap();
    assert!(api.starts_with("127.0.0.1:"), "{api}");
    let stream = seen.remove("AWS_LAMBDA_LOG_STREAM_NAME").unwrap();
    assert_eq!((stream.len(), &stream[10..20]), (52, "/[$LATEST]"), "{stream}");
    // The runtime itself sets this variable for each invocation.
    assert!(seen.remove("_X_AMZN_TRACE_ID").is_some());
    let library_path = format!("/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{folder}:{folder}/lib:/opt/lib");
    let expected = [
        ("_HANDLER", "bootstrap"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_SECRET_ACCESS_KEY", "SECRET"),
        ("AWS_SESSION_TOKEN", "TOKEN"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LAMBDA_TASK_ROOT", &folder),
        ("LANG", "en_US.UTF-8"),
        ("LD_LIBRARY_PATH", &library_path),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TABLE", "rooms"),
        ("TZ", ":UTC"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(seen, BTreeMap::from(expected));
}

#[tokio::test]
async fn a_variable_that_is_changed_is_seen_by_every_later_invocation() {
    let own = ("TABLE".to_owned(), "rooms".to_owned());
    let fixture = Fixture::of(with("f", |f| f.environment.push(own)));
    for (name, value) in [("TABLE", "restored"), ("GENERATION", "1")] {
        variables(&fixture).await;
        fixture.lambda.set_variable("f", name, value);
        let (seen, _) = variables(&fixture).await;
        assert_eq!(seen.get(name).map(String::as_str), Some(value));
    }
}

#[tokio::test]
async fn log_format_and_level_are_set_when_configured() {
    let fixture = Fixture::new(vec![function("f")], |config| {
        config.log_format = Some("JSON".to_owned());
        config.log_level = Some("DEBUG".to_owned());
    });
    let (seen, _) = variables(&fixture).await;
    let set = [seen.get("AWS_LAMBDA_LOG_FORMAT"), seen.get("AWS_LAMBDA_LOG_LEVEL")];
    assert_eq!(set.map(|value| value.map(String::as_str)), [Some("JSON"), Some("DEBUG")]);
}

#[tokio::test]
async fn a_function_runs_in_the_folder_of_its_program() {
    let fixture = Fixture::of(function("f"));
    let (_, folder) = variables(&fixture).await;
    assert_eq!(folder.as_str(), program().canonicalize().unwrap().parent().unwrap().to_str());
}

#[tokio::test]
async fn the_context_of_a_handler_is_complete() {
    let fixture = Fixture::of(function("f"));
    let context = fixture.invoke(json!({"do": "context"})).await.unwrap();
    assert_eq!(context["invoked_function_arn"], "arn:aws:lambda:eu-west-1:123456789012:function:f");
    assert_eq!(context["env_config"]["memory"], 256);
    assert_eq!(context["request_id"].as_str().map(str::len), Some(36));
    assert_eq!(context["client_context"], Value::Null);
}

#[tokio::test]
async fn a_variable_that_aws_reserves_cannot_be_set() {
    let own = ("AWS_REGION".to_owned(), "mars-1".to_owned());
    let error = refused(with("f", |f| f.environment.push(own)));
    assert_eq!(error.to_string(), "function f: the variable AWS_REGION is reserved by Lambda");
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let error = refused(with("f", |f| f.program = "/nowhere/bootstrap".into()));
    assert!(error.to_string().starts_with("function f: cannot find its program /nowhere/bootstrap: "), "{error}");
}

#[tokio::test]
async fn a_name_that_aws_would_refuse_is_refused() {
    let error = refused(function("a b"));
    assert_eq!(error.to_string(), "function name \"a b\" must be 1 to 64 letters, digits, '-' or '_'");
}

fn refused(function: local_lambda::Function) -> StartError {
    struct Silence;
    impl local_lambda::Sink for Silence {
        fn record(&self, _: &str, _: u64, _: local_lambda::Record<'_>) {}
    }
    match Lambda::start(Config::new(vec![function], std::sync::Arc::new(Silence))) {
        Err(error) => error,
        Ok(_) => panic!("it was accepted"),
    }
}
