//! `cargo xtask env`: variables that point AWS tools and SDKs at the local stack.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

/// Loopback answers at once, or nothing listens.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// The address with the variables of commands that run beside the stack.
const PATH: &str = "/_local/env";

/// Which stack is asked.
#[derive(Debug, Args)]
#[command(after_help = "Use: eval \"$(cargo xtask env)\", then aws and every AWS SDK reach the local stack.")]
pub(crate) struct Arguments {
    /// The AWS port of the stack
    #[arg(long, value_name = "PORT", default_value_t = 4566)]
    aws_port: u16,
}

/// Why there are no variables.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing answers at the port.
    #[error("no local stack answers at {0} ({1}): start it with `cargo dev`, or name its port with --aws-port")]
    Absent(SocketAddr, io::ErrorKind),
    /// Something else answers at the port.
    #[error("what answers at {0} is no local stack: name its port with --aws-port")]
    Other(SocketAddr),
}

/// Makes version 1 of the AWS CLI ask the stack for SQS too. It is the only line that is no export.
const CLI: &str = "aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }";

/// Prints one `export` a variable, as the stack gives them.
pub(crate) fn print(arguments: &Arguments) -> Result<(), Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.aws_port));
    let answer = get(address).map_err(|error| Error::Absent(address, error.kind()))?;
    print!("{}", exports(&answer).ok_or(Error::Other(address))?);
    Ok(())
}

fn get(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    write!(stream, "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of an answer that consists of exports. The shell runs it: nothing else may be in it.
fn exports(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let is_done = head.starts_with("HTTP/1.1 200 ");
    (is_done && !body.is_empty() && body.lines().all(|line| line == CLI || is_export(line))).then_some(body)
}

/// `export NAME='value'`, without a quote in the value.
fn is_export(line: &str) -> bool {
    let Some((name, value)) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')) else { return false };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    is_name && value.is_some_and(|value| !value.contains('\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exports_reach_the_shell() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n{body}");
        let good =
            format!("export AWS_REGION='us-east-1'\nexport ROOMCAST_WS_URL='ws://127.0.0.1:3001/local'\n{CLI}\n");
        assert_eq!(exports(&answer(&good)), Some(good.as_str()));
        for bad in [
            "",
            "<html>",
            "export A='b'; rm x\n",
            "export A=$(date)\n",
            "export A='b'c'd'\n",
            "A='b'\n",
            "aws() { rm x; }\n",
        ] {
            assert_eq!(exports(&answer(bad)), None, "{bad}");
        }
        assert_eq!(exports("HTTP/1.1 404 Not Found\r\n\r\nexport A='b'\n"), None);
    }

    #[test]
    fn a_stack_that_does_not_run_is_told_with_what_starts_it() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = print(&Arguments { aws_port: free.port() }).unwrap_err().to_string();
        assert!(error.starts_with(&format!("no local stack answers at {free} (connection refused): ")), "{error}");
        assert!(error.ends_with("start it with `cargo dev`, or name its port with --aws-port"), "{error}");
    }
}
