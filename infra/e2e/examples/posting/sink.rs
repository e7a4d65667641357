//! A server that accepts posts in a separate process, so that its CPU time is not counted.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

/// The argument that makes this binary the sink.
pub(crate) const ARGUMENT: &str = "sink";

/// A running sink. It is killed when this value is dropped.
pub(crate) struct Sink {
    process: Child,
    pub(crate) url: String,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let mut itself = Command::new(std::env::current_exe().expect("a path"));
        let mut process = itself.arg(ARGUMENT).stdout(Stdio::piped()).spawn().expect("another process");
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut url).expect("an address");
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints its address, and serves until it is killed.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("http://{}/local", listener.local_addr().expect("an address"));
    listener.set_nonblocking(true).expect("a socket");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let serving = hyper::server::conn::http1::Builder::new();
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service_fn(take)));
        }
    });
}

async fn take(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(Response::new(Empty::new()))
}
