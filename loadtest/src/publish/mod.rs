//! Publishers: each has its part of a room's schedule, and waits for nobody else.

pub mod backend;
mod client;
mod lane;

use std::sync::Arc;

pub use lane::Lane;

use crate::run::world::World;
use crate::scenario::{Door, Rooms};
use backend::Backend;

/// Why a door does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A door needs to be told where it is.
    #[error("the environment variable {0} is not set; `cargo dev -- --run 'cargo load …'` sets it")]
    Variable(&'static str),
    /// AWS said no.
    #[error("{request} was refused: {message}")]
    Refused {
        /// What was asked.
        request: &'static str,
        /// What it said.
        message: String,
    },
}

/// Whoever publishes into one room.
#[derive(Debug)]
pub struct Publishers {
    lanes: Vec<(Lane, Option<Backend>)>,
}

impl Publishers {
    /// Opens the doors of a room; connections are opened when they are used.
    ///
    /// # Errors
    /// [`Error`] when a door does not say where it is.
    pub fn open(room: usize, of_all: usize, rooms: &Rooms) -> Result<Self, Error> {
        let mut lanes = Vec::new();
        for (turn, door) in rooms.doors.iter().enumerate() {
            let publishers = if *door == Door::Client { rooms.client_publishers() } else { 1 };
            for publisher in 0..publishers {
                let backend = Backend::open(*door)?;
                let (step, first) = (rooms.doors.len() * publishers, turn + publisher * rooms.doors.len());
                let ephemeral_rate = if turn == 0 && publisher == 0 { rooms.ephemeral_rate } else { 0.0 };
                let offset = of_all as f64 * 0.618 % 1.0;
                let (rate, payload_bytes) = (rooms.rate, rooms.payload_bytes);
                lanes.push((Lane { room, first, step, rate, offset, payload_bytes, ephemeral_rate }, backend));
            }
        }
        Ok(Self { lanes })
    }

    /// Publishes by the schedule; each lane in a task of its own.
    pub fn start(self, world: &Arc<World>, tasks: &mut tokio::task::JoinSet<()>) {
        for (lane, backend) in self.lanes {
            let world = Arc::clone(world);
            match backend {
                None => tasks.spawn(client::publish(world, lane)),
                Some(backend) => tasks.spawn(backend::publish(world, lane, backend)),
            };
        }
    }
}
