//! Everything a use case needs of the world, in memory.

use domain::ports::{Clock, Connections, Directory, Memberships, Opened, Rooms};
use domain::{Connection, ConnectionId, Format, Membership, RoomId, Shards};

use crate::chance::Seeded;
use crate::clock::{TurnedClock, Turning};
use crate::{memory, samples};

/// Everything a use case needs of the world, in memory. Every part is a cheap clone of the same state.
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
    /// Connections, memberships, rooms.
    pub store: memory::Store,
    /// Submissions, jobs, and when a message comes back.
    pub queues: memory::Queues,
    /// What backends were told.
    pub topic: memory::Topic,
    /// The gateway, with its peers in the hand of the test.
    pub gateway: memory::Gateway,
    /// The time; turns by itself unless it is told otherwise.
    pub clock: TurnedClock,
    /// The same chance in every run.
    pub chance: Seeded,
}

impl World {
    /// A world in which nothing has happened yet, at [`samples::NOW`].
    #[must_use]
    pub fn new() -> Self {
        Self::seeded(0)
    }

    /// The same with another chance.
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

    /// Connects a user in `rooms.v1`, as the connect function does: the gateway has the connection, the store has it
    /// too, a member of `*` and of the user's inbox.
    ///
    /// # Panics
    /// When the id stands already.
    pub async fn connect(&self, id: &str, user: &str) -> Connection {
        self.connect_as(id, user, Format::RoomsV1).await
    }

    /// The same in another format.
    ///
    /// # Panics
    /// When the id stands already.
    pub async fn connect_as(&self, id: &str, user: &str, format: Format) -> Connection {
        self.open(Connection { format, ..samples::connection(id, user, self.clock.now()) }).await
    }

    /// The same with whatever connection.
    ///
    /// # Panics
    /// When the id stands already.
    pub async fn open(&self, connection: Connection) -> Connection {
        self.gateway.open(&connection.id);
        let first = [samples::everyone(&connection), samples::inbox(&connection)];
        let entered = self.store.enlist(&connection.user, &connection.id, self.clock.now()).await;
        assert!(entered.is_ok(), "{} has no entry", connection.id);
        let opened = self.store.open(&connection, &first).await;
        assert!(matches!(opened, Ok(Opened::Stored)), "{} was opened before", connection.id);
        connection
    }

    /// Joins a room, as the membership function does in a room that need not grow.
    ///
    /// # Panics
    /// When the store refuses it.
    pub async fn join(&self, connection: &Connection, room: &str) -> Membership {
        let room = samples::room(room);
        let shards = self.shards(&room).await;
        let membership = samples::membership(connection, &room, shards.place(&connection.id));
        let mut joined = self.store.join(std::slice::from_ref(&membership)).await;
        assert!(matches!(joined.pop(), Some(Ok(_))), "{} could not join", connection.id);
        membership
    }

    /// What the peer of a connection has been posted, as text.
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
