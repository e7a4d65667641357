//! The AWS endpoint's life: opened, served, tended, closed. Or somebody else's, of which only the address is known.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::aws::caller::Callers;
use crate::aws::grants::Grants;
use crate::aws::{self, Calls, Database, Dynamo, Endpoint, Statistics};
use crate::options::Options;
use crate::place::{ACCOUNT, REGION};

/// How long open connections of the endpoint may take to end: their callers are gone by then.
const CLOSES_WITHIN: Duration = Duration::from_millis(200);

/// Where DynamoDB, SQS and SNS are.
pub(crate) struct Cloud {
    url: String,
    embedded: Option<Embedded>,
}

/// The endpoint of this process.
struct Embedded {
    endpoint: Arc<Endpoint>,
    messaging: local_queues::Service,
    calls: Arc<Calls>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    tending: JoinHandle<()>,
    /// Held as long as the data folder is used.
    _lock: Option<Flock<File>>,
}

impl Cloud {
    /// Opens and serves the embedded endpoint, or takes the address of the other one.
    pub(crate) async fn start(
        options: &Options,
        listener: Option<TcpListener>,
        callers: Arc<Callers>,
        grants: Arc<Grants>,
    ) -> Result<Self, Error> {
        let Some(listener) = listener else {
            let url = options.aws_endpoint.as_deref().unwrap_or_default();
            return Ok(Self { url: url.trim_end_matches('/').to_owned(), embedded: None });
        };
        let url = format!("http://{}", listener.local_addr()?);
        let lock = options.data.as_deref().map(lock).transpose()?;
        let file = options.data.as_deref().map(|folder| folder.join("dynamodb.sqlite"));
        let database = Database::open(file.as_deref())?;
        let stop = CancellationToken::new();
        let dynamo = Dynamo::start(database.clone(), stop.clone()).await?;
        let messaging = local_queues::Service::new(local_queues::Config {
            account_id: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            base_url: url.clone(),
        });
        let calls = Arc::new(Calls::default());
        let endpoint = Arc::new(Endpoint::new(dynamo, messaging.clone(), callers, grants, Arc::clone(&calls)));
        let serving = tokio::spawn(aws::serve(Arc::clone(&endpoint), listener, stop.clone()));
        let tending = tokio::spawn(tend(database, options.speed.tending_period(), stop.clone()));
        Ok(Self { url, embedded: Some(Embedded { endpoint, messaging, calls, stop, serving, tending, _lock: lock }) })
    }

    /// Without a trailing slash.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Who called what; unknown of somebody else's endpoint.
    pub(crate) fn calls(&self) -> Option<Arc<Calls>> {
        self.embedded.as_ref().map(|embedded| Arc::clone(&embedded.calls))
    }

    /// Queues and topics; unknown of somebody else's endpoint.
    pub(crate) fn messaging(&self) -> Option<local_queues::Service> {
        self.embedded.as_ref().map(|embedded| embedded.messaging.clone())
    }

    /// Says where statistics come from.
    pub(crate) fn set_statistics(&self, statistics: Statistics) {
        if let Some(embedded) = &self.embedded {
            embedded.endpoint.set_statistics(statistics);
        }
    }

    /// Closes the endpoint; what is kept in files is whole afterwards.
    pub(crate) async fn stop(self) {
        let Some(embedded) = self.embedded else { return };
        embedded.stop.cancel();
        let ended = futures::future::join(embedded.serving, embedded.tending);
        if tokio::time::timeout(CLOSES_WITHIN, ended).await.is_err() {
            tracing::debug!("somebody kept a connection to the AWS endpoint open");
        }
    }
}

/// Two runners on one folder would destroy each other's data.
fn lock(folder: &Path) -> Result<Flock<File>, Error> {
    let unusable = |reason: String| Error::Data { folder: folder.display().to_string(), reason };
    std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
    let file = File::create(folder.join("lock")).map_err(|error| unusable(error.to_string()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| unusable("another runner uses it; stop that one, or choose another folder with --data".to_owned()))
}

async fn tend(database: Database, period: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match database.tend().await {
            Ok(tended) => tracing::debug!(?tended, "tended the database"),
            Err(error) => tracing::warn!(%error, "the database could not be tended"),
        }
    }
}
