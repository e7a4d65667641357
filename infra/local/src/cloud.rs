//! The AWS endpoint: opened, served, cleaned and closed by this process, or an external endpoint of
//! which only the address is known.

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use local_faults::Faults;
use local_queues::{Config, Keeper, Service};
use nix::fcntl::{Flock, FlockArg};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::aws::caller::Callers;
use crate::aws::grants::Grants;
use crate::aws::{self, Calls, Database, Dynamo, Endpoint, Secrets, Trouble};
use crate::inspector::Inspector;
use crate::kept::keep;
use crate::options::Options;
use crate::place::{ACCOUNT, REGION};
use crate::ports::Port;

/// How long open connections of the endpoint may take to end. Their callers have ended by then.
const CLOSES_WITHIN: Duration = Duration::from_millis(300);

/// The endpoint of DynamoDB, SQS and SNS.
pub(crate) struct Cloud {
    url: String,
    embedded: Option<Embedded>,
}

/// The endpoint in this process.
struct Embedded {
    messaging: Service,
    calls: Arc<Calls>,
    stop: CancellationToken,
    /// Tasks that serve requests, clean the tables, and store the queues.
    tasks: Vec<JoinHandle<()>>,
    _folder: Option<Folder>,
}

impl Cloud {
    /// Opens and serves the embedded endpoint, or stores the address of an external one.
    pub(crate) async fn start(
        options: &Options,
        port: Option<Port>,
        (callers, grants): (Arc<Callers>, Arc<Grants>),
        faults: &Faults,
        inspector: &Inspector,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let Some(Port { address, listeners, hosts }) = port else {
            let url = options.aws_endpoint.as_deref().unwrap_or_default();
            return Ok(Self { url: url.trim_end_matches('/').to_owned(), embedded: None });
        };
        let url = format!("http://{address}");
        let folder = options.data.as_deref().map(Folder::take).transpose()?;
        let database = Database::open(folder.as_ref().map(|folder| folder.file("dynamodb.sqlite")).as_deref())?;
        let (messaging, keeper) = messaging(&url, folder.as_ref())?;
        inspector.watch_queues(&messaging);
        let calls = Arc::new(Calls::default());
        let endpoint = Arc::new(Endpoint {
            dynamo: Dynamo::new(database.clone(), options.transaction_hold),
            messaging: messaging.clone(),
            secrets: Secrets::default(),
            callers,
            grants,
            calls: Arc::clone(&calls),
            trouble: Trouble::new(faults.clone()),
            hosts,
            time_limits: options.time_limits,
            inspector: inspector.clone(),
        });
        let mut tasks = vec![tokio::spawn(tend(database, options.speed.tending_period(), stop.clone()))];
        let serve = |listener| tokio::spawn(aws::serve(Arc::clone(&endpoint), listener, stop.clone()));
        tasks.extend(listeners.into_iter().map(serve));
        tasks.extend(keeper.map(|keeper| tokio::spawn(keep(keeper, stop.clone()))));
        Ok(Self { url, embedded: Some(Embedded { messaging, calls, stop, tasks, _folder: folder }) })
    }

    /// Returns the URL without a trailing slash.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the counts of calls. An external endpoint has none.
    pub(crate) fn calls(&self) -> Option<Arc<Calls>> {
        self.embedded.as_ref().map(|embedded| Arc::clone(&embedded.calls))
    }

    /// Returns queues and topics. An external endpoint has none.
    pub(crate) fn messaging(&self) -> Option<Service> {
        self.embedded.as_ref().map(|embedded| embedded.messaging.clone())
    }

    /// Closes the endpoint. All files are complete afterwards.
    pub(crate) async fn stop(self) {
        let Some(embedded) = self.embedded else { return };
        embedded.stop.cancel();
        if tokio::time::timeout(CLOSES_WITHIN, join_all(embedded.tasks)).await.is_err() {
            tracing::debug!("stop timed out: a caller keeps a connection to the AWS endpoint open");
        }
    }
}

/// The data folder. It is locked while this value lives, because two runners would destroy each
/// other's data.
struct Folder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Folder {
    fn take(path: &Path) -> Result<Self, Error> {
        let refused = |error: std::io::Error| unusable(path, error.to_string());
        // Only the owner may read the data.
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(refused)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(refused)?;
        let file = File::create(path.join("lock")).map_err(refused)?;
        let in_use = "another runner uses it; stop that one, or choose another folder with --data";
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| unusable(path, in_use.to_owned()))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Opens the queues and topics, in memory only or also in a folder.
fn messaging(url: &str, folder: Option<&Folder>) -> Result<(Service, Option<Keeper>), Error> {
    let config = Config { account_id: ACCOUNT.into(), region: REGION.into(), base_url: url.to_owned() };
    let Some(folder) = folder else { return Ok((Service::new(config), None)) };
    let (service, keeper) =
        Service::open(config, &folder.path).map_err(|error| unusable(&folder.path, error.to_string()))?;
    Ok((service, Some(keeper)))
}

fn unusable(folder: &Path, reason: String) -> Error {
    Error::Data { folder: folder.display().to_string(), reason }
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
            Ok(tended) => tracing::debug!(?tended, "deleted expired items and trimmed streams"),
            Err(error) => {
                tracing::warn!(%error, "cannot delete expired items or trim streams: retried at the next interval");
            }
        }
    }
}
