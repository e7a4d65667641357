//! The terminal chat, run as a program.

// Tests and their helpers fail by panicking.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// Attempts after which a repeated line would have appeared.
const ATTEMPTS: usize = 4;

fn chat(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_chat"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .env_remove("ROOMCAST_WS_URL")
        .env_remove("ROOMCAST_TOKEN")
        .spawn()
        .unwrap()
}

/// Kills the chat. Returns the lines that it printed.
fn lines(mut chat: Child) -> Vec<String> {
    chat.kill().unwrap();
    let lines = BufReader::new(chat.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
    chat.wait().unwrap();
    lines
}

#[test]
fn a_stack_that_does_not_run_is_one_line_however_often_the_chat_tries() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let chat = chat(&["lobby", "--url", &format!("ws://{address}/local")]);
    for _ in 0..ATTEMPTS {
        // Reads the request and closes the socket without a response, so each attempt fails in the
        // same way.
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
    }
    let lines = lines(chat);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("the chat tries again"), "{lines:?}");
}

#[test]
fn a_port_where_nothing_listens_is_told_with_what_starts_the_stack() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut chat = chat(&["lobby", "--url", &format!("ws://{free}/local")]);
    let mut line = String::new();
    BufReader::new(chat.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(&format!("cannot connect to ws://{free}/local: nothing listens at {free}")), "{line}");
    assert!(line.contains("start the stack with `cargo dev`") && !line.contains("os error"), "{line}");
    assert!(!line.contains('\u{1b}'), "{line:?}");
    lines(chat);
}
