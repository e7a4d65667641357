//! Ten thousand members in one process, and their memory. The server runs in another process: this
//! one.

use loadtest::report::read;
use loadtest::run::descriptors::provide;

use crate::process::{load, told};
use crate::{Fault, Server};

const AT_MOST_BYTES: u64 = 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_members_cost_at_most_16_kib_each() {
    // On a system that does not permit so many open files, the test uses fewer members.
    let members: u64 = if provide(10_500).is_ok() { 10_000 } else { 700 };
    let server = Server::start(Fault::None).await;
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("result.json");
    let (count, path) = (members.to_string(), json.display().to_string());
    let few = ["--publications", "3", "--rate", "1", "--connect-rate", "2500", "--drain", "30", "--json-out", &path];
    let output = load(&[&["--url", &server.url, "--members", &count], few.as_slice()].concat()).await;
    let report = read(&json).unwrap_or_else(|error| panic!("{error}: {}", told(&output)));
    assert_eq!((report.account.members, report.account.missing), (members, 0), "{}", told(&output));
    let bytes = report.generator.memory_bytes.unwrap() / members;
    println!("{members} members, {bytes} bytes each");
    assert!(bytes <= AT_MOST_BYTES || members < 10_000, "{bytes}");
}
