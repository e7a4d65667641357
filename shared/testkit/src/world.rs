//! Every port of a use case, in memory.

use domain::ports::{Clock, Connections, Directory, Memberships, Opened, Rooms};
use domain::{Connection, ConnectionId, Enlisted, Format, Membership, RoomId, Shards};

use crate::chance::Seeded;
use crate::clock::{TurnedClock, Turning};
use crate::{memory, samples};

/// Every port of a use case, in memory. A clone of a part shares its state.
///
/// ```
/// # use domain::ports::Submissions;
/// # async fn test() -> domain::ports::Result<()> {
/// let world = testkit::World::new();
/// world.queues.submit(&testkit::samples::submission("lobby", "ada", &["p1"])).await?;
/// assert_eq!(world.queues.publications.bodies().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct World {
    /// Connections, memberships and rooms.
    pub store: memory::Store,
    /// Submissions, jobs, checks, and the return of messages to their queues.
    pub queues: memory::Queues,
    /// The activity that backends receive.
    pub topic: memory::Topic,
    /// The gateway; the test controls the peers of its connections.
    pub gateway: memory::Gateway,
    /// The clock, which turns by itself unless the test changes that.
    pub clock: TurnedClock,
    /// Random numbers, the same in every run.
    pub chance: Seeded,
}

impl World {
    /// An empty world at [`samples::NOW`], with the seed 0.
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(0)
    }

    /// An empty world with this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let clock = TurnedClock::new(samples::NOW, Turning::ByItself);
        Self {
            store: memory::Store::new(clock.clone()),
            queues: memory::Queues::new(clock.clone()),
            topic: memory::Topic::default(),
            gateway: memory::Gateway::new(clock.clone()),
            chance: Seeded::new(seed),
            clock,
        }
    }

    /// Connects a user with the format `rooms.v1`, as the connect function does. The gateway and
    /// the store have the connection, and it is a member of `*` and of the user's inbox.
    ///
    /// # Panics
    /// If a connection with this id is stored.
    pub async fn connect(&self, id: &str, user: &str) -> Connection {
        self.connect_as(id, user, Format::RoomsV1).await
    }

    /// Connects a user with another format.
    ///
    /// # Panics
    /// If a connection with this id is stored.
    pub async fn connect_as(&self, id: &str, user: &str, format: Format) -> Connection {
        self.open(Connection { format, ..samples::connection(id, user, self.clock.now()) }).await
    }

    /// Opens this connection.
    ///
    /// # Panics
    /// If a connection with this id is stored.
    pub async fn open(&self, connection: Connection) -> Connection {
        self.gateway.open(&connection.id);
        let first = [samples::everyone(&connection), samples::inbox(&connection)];
        let Connection { id, device, .. } = connection.clone();
        let entry = Enlisted { at: self.clock.now(), connection: id, device };
        let entered = self.store.enlist(&connection.user, &entry).await;
        assert!(entered.is_ok(), "{} has no entry", connection.id);
        let opened = self.store.open(&connection, &first).await;
        assert!(matches!(opened, Ok(Opened::Stored)), "{} was opened before", connection.id);
        connection
    }

    /// Joins a room, as the membership function does in a room that need not grow.
    ///
    /// # Panics
    /// If the store refuses the join.
    pub async fn join(&self, connection: &Connection, room: &str) -> Membership {
        let room = samples::room(room);
        let shards = self.shards(&room).await;
        let mut membership = samples::membership(connection, &room, shards.place(&connection.id));
        membership.member.sees_members = room.has_presence();
        let mut joined = self.store.join(std::slice::from_ref(&membership)).await;
        assert!(matches!(joined.pop(), Some(Ok(_))), "{} could not join", connection.id);
        membership
    }

    /// All frames that a connection has received, as text.
    #[must_use]
    pub fn heard(&self, connection: &ConnectionId) -> Vec<String> {
        let text = |frame: bytes::Bytes| String::from_utf8_lossy(&frame).into_owned();
        self.gateway.frames(connection).into_iter().map(text).collect()
    }

    async fn shards(&self, room: &RoomId) -> Shards {
        let head = self.store.head(room).await.ok().flatten();
        head.map_or_else(|| Shards::initial(room), |head| head.shards)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
