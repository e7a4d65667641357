//! Log lines: by the inspector of the local stack, or by CloudWatch Logs.

use aws_adapters::LogQuery;
use domain::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::line::Line;
use crate::deployment::{Deployment, read_local};
use crate::error::Error;

/// Lines that the inspector of the local stack returns at most.
const LOCAL_LINES: usize = 10_000;
/// Lines that are read of one function on AWS. They are kept in memory.
const LINES_OF_FUNCTION: usize = 100_000;
/// Pages that are read of one function on AWS. A page without matches takes some seconds.
const PAGES_OF_FUNCTION: usize = 1_000;
/// Functions whose logs are read at the same time. CloudWatch Logs takes a few calls a second.
const FUNCTIONS_AT_ONCE: usize = 3;

/// What lines have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// A text without quotation marks and backslashes.
    Text(&'a str),
    /// Words by which failures are found on AWS. On the local stack every line is returned.
    Failures,
    /// Any line matches.
    Any,
}

/// The lines that were found, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) lines: Vec<Line>,
    /// True if there are lines of this time that were not read.
    pub(crate) is_partial: bool,
}

impl Wanted<'_> {
    /// The filter pattern of CloudWatch Logs.
    fn pattern(self) -> String {
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Failures => "?ERROR ?WARN ?failed ?unavailable ?timeout ?\"timed out\" ?errorType ?exited ?panicked ?\"Status: error\"".to_owned(),
            Self::Any => String::new(),
        }
    }
}

/// Reads the lines of some functions since a moment.
pub(crate) async fn search(
    deployment: &Deployment,
    functions: &[&str],
    wanted: Wanted<'_>,
    since: Timestamp,
) -> Result<Found, Error> {
    let reads = stream::iter(functions.iter().copied()).map(async |function| match deployment.local_endpoint() {
        Some(endpoint) => search_locally(endpoint, function, wanted, since).await,
        None => search_on_aws(deployment, function, wanted, since).await,
    });
    let found: Vec<Found> = reads.buffered(FUNCTIONS_AT_ONCE).try_collect().await?;
    let is_partial = found.iter().any(|found| found.is_partial);
    let mut lines: Vec<Line> = found.into_iter().flat_map(|found| found.lines).collect();
    lines.sort_by_key(|line| line.at);
    Ok(Found { lines, is_partial })
}

async fn search_locally(endpoint: &str, function: &str, wanted: Wanted<'_>, since: Timestamp) -> Result<Found, Error> {
    let text = if let Wanted::Text(text) = wanted { text } else { "" };
    let text = utf8_percent_encode(text, NON_ALPHANUMERIC);
    let path = format!("/_local/logs?q={text}&function={function}&limit={LOCAL_LINES}");
    let answer = read_local(endpoint, &path).await?;
    let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let lines = rows.iter().filter_map(|row| {
        let at = Timestamp::from_ms(row["at_ms"].as_u64()?);
        Some(Line::parse(at, function, row["text"].as_str()?)).filter(|_| at >= since)
    });
    let lines: Vec<Line> = lines.collect();
    Ok(Found { is_partial: lines.len() == LOCAL_LINES, lines })
}

async fn search_on_aws(
    deployment: &Deployment,
    function: &str,
    wanted: Wanted<'_>,
    since: Timestamp,
) -> Result<Found, Error> {
    let (logs, group, pattern) = (deployment.function_logs(), deployment.log_group(function)?, wanted.pattern());
    let (mut lines, mut page) = (Vec::new(), None);
    for _ in 0..PAGES_OF_FUNCTION {
        let read = logs.page(LogQuery { group, pattern: &pattern, from: since, page: page.as_deref() }).await?;
        lines.extend(read.lines.iter().map(|line| Line::parse(line.at, function, &line.text)));
        page = read.next;
        if page.is_none() || lines.len() >= LINES_OF_FUNCTION {
            break;
        }
    }
    Ok(Found { lines, is_partial: page.is_some() })
}
